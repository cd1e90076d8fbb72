"""Deepgram as far as a streaming client of its v1 and v2 interfaces sees it."""
