"""Whom of several the agent listens to."""

from __future__ import annotations

from greenroom.agent.audio import FRAME_SECONDS, silence
from greenroom.agent.floor import HANDOVER_SECONDS, LOUD_FRAMES, PRE_ROLL_SECONDS, Floor
from greenroom.agent.participants import Participant

ANN, BOB = Participant("ann"), Participant("bob")
QUIET = silence(FRAME_SECONDS)
VOICE = (5000).to_bytes(2, "little") * (len(QUIET) // 2)


class Room:
    """Ann and Bob, frame by frame at the same moment; `now` runs on."""

    def __init__(self) -> None:
        self.floor = Floor()
        self.now = 0.0
        self.passed: list[tuple[str, bytes]] = []

    def both(self, ann: bytes, bob: bytes, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_SECONDS)):
            for who, pcm in ((ANN, ann), (BOB, bob)):
                if heard := self.floor.heard(who, pcm, self.now, alone=False):
                    self.passed.append((who.id, heard))
            self.now += FRAME_SECONDS

    def heard(self) -> str:
        return "".join(sorted({who for who, _ in self.passed}))


def test_who_is_alone_is_heard_without_a_look_at_the_sound() -> None:
    floor = Floor()
    assert floor.heard(ANN, b"x", 0.0, alone=True) == b"x"
    assert floor.holder == ANN


def test_who_speaks_keeps_the_floor_while_another_speaks_too() -> None:
    room = Room()
    room.both(VOICE, QUIET, 0.5)
    room.both(VOICE, VOICE, 3.0)
    assert room.heard() == "ann"


def test_the_floor_goes_on_after_a_pause_with_the_beginning_of_what_is_said() -> None:
    room = Room()
    room.both(VOICE, QUIET, 1.0)
    room.both(QUIET, QUIET, HANDOVER_SECONDS)
    room.passed.clear()
    room.both(QUIET, VOICE, 1.0)
    bobs = b"".join(pcm for who, pcm in room.passed if who == "bob")
    assert room.floor.holder == BOB
    assert bobs.count(VOICE) == 50, "all of it"
    assert len(bobs) > 50 * len(VOICE), "and what was before it"


def test_a_short_noise_of_another_takes_nothing() -> None:
    room = Room()
    room.both(QUIET, QUIET, 1.0)
    room.both(QUIET, VOICE, (LOUD_FRAMES - 1) * FRAME_SECONDS)
    room.both(QUIET, QUIET, 0.2)
    room.both(VOICE, QUIET, 0.2)
    assert room.floor.holder == ANN
    assert room.heard() == "ann"


def test_what_waits_is_bounded() -> None:
    room = Room()
    room.both(QUIET, QUIET, 60.0)
    room.both(QUIET, VOICE, LOUD_FRAMES * FRAME_SECONDS)
    (first,) = [pcm for who, pcm in room.passed if who == "bob"]
    assert len(first) == round(PRE_ROLL_SECONDS / FRAME_SECONDS) * len(QUIET)


def test_who_leaves_gives_the_floor_up() -> None:
    floor = Floor()
    floor.heard(ANN, VOICE, 0.0, alone=False)
    floor.left(ANN)
    assert floor.heard(BOB, QUIET, 0.02, alone=False) == QUIET
    assert floor.holder == BOB


def test_who_is_alone_at_last_is_heard_at_once() -> None:
    floor = Floor()
    floor.heard(ANN, VOICE, 0.0, alone=False)
    assert floor.heard(BOB, QUIET, 0.02, alone=True) == QUIET
