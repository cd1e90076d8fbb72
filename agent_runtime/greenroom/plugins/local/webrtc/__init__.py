"""Calls straight between a browser and this process, through aiortc (the extra `webrtc`).

`edge` is imported with `greenroom.plugins.local` and needs nothing; what needs aiortc is imported, in a thread, by the
first call.
"""
