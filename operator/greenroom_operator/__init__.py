"""The operator: binds sessions to warm runtime pods and looks after the pods.

kopf is its shell; scheduling runs on feeds of its own. It meets the other programs only in the API server's objects.
"""
