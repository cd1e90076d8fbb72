"""What `run` shows and takes: a conversation with one agent by keyboard, and by microphone where there is one.

`Edge` is the edge of an agent that is spoken to at this machine; agents with any other edge can be typed to.
"""

from __future__ import annotations

from greenroom.console.edge import Edge

__all__ = ["Edge"]
