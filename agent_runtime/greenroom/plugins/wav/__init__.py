"""Calls without a network: a caller who asks what it is told to ask, and a recording of the answers."""

from __future__ import annotations

from greenroom.plugins.wav.caller import Caller
from greenroom.plugins.wav.edge import Edge
from greenroom.plugins.wav.recording import Recording, RecordingError

__all__ = ["Caller", "Edge", "Recording", "RecordingError"]
