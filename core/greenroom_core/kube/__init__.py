"""The one door to the API server: transport, client, feed, patches, errors.

It knows how to read and write objects, nothing of what they mean to operator, API or runtime.
"""
