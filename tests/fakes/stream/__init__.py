"""Stream, small: a coordinator and an SFU with real media, in one server that the unmodified SDK joins.

Needs the test tools of the group `vendors`. `python -m tests.fakes.stream --help` starts it as a program.
"""

from __future__ import annotations

from tests.fakes.stream.caller import Caller
from tests.fakes.stream.faults import Faults
from tests.fakes.stream.pointing import pointed_at
from tests.fakes.stream.room import Room
from tests.fakes.stream.server import FakeStream

__all__ = ["Caller", "FakeStream", "Faults", "Room", "pointed_at"]
