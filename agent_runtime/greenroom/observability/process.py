"""What a process counts over all its sessions, for Prometheus: nobody's own figures, so no label names a session.

Registered by whoever serves a process's figures. A session in a process of its own is not counted.
"""

from __future__ import annotations

from prometheus_client import Counter

PART_ERRORS = Counter(
    "greenroom_agent_errors",
    "Errors of agents' parts: llm, stt, tts, vlm, realtime, processor.",
    ("part",),
    registry=None,
)
LATE_FRAMES = Counter(
    "greenroom_agent_late_frames", "Frames of agents' speech that went out after their time", registry=None
)
DROPPED_SOUND = Counter(
    "greenroom_agent_dropped_sound_seconds",
    "Callers' sound that came faster than it could be listened to; the oldest was dropped",
    registry=None,
)
DROPPED_PICTURES = Counter(
    "greenroom_agent_dropped_pictures",
    "Participants' pictures that a processor or a model came too late for",
    registry=None,
)
FALSE_INTERRUPTIONS = Counter(
    "greenroom_agent_false_interruptions", "Pauses of agents' speech for a sound that had no words", registry=None
)
WITHDRAWN_ANSWERS = Counter(
    "greenroom_agent_withdrawn_answers", "Answers prepared at an eager end of turn, in vain", registry=None
)
CHECKPOINTS = Counter(
    "greenroom_checkpoints",
    "What the store of checkpoints was asked (save, load, forget, close), and how it went: done, failed",
    ("operation", "outcome"),
    registry=None,
)

ALL = (
    PART_ERRORS,
    LATE_FRAMES,
    DROPPED_SOUND,
    DROPPED_PICTURES,
    FALSE_INTERRUPTIONS,
    WITHDRAWN_ANSWERS,
    CHECKPOINTS,
)
