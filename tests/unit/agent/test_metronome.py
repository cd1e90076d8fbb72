"""Agents that speak at the same time wake the process together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS
from greenroom.agent.metronome import Metronome, metronome
from greenroom.agent.playout import Playout, Speech, Spoken

if TYPE_CHECKING:
    from collections.abc import Callable


def test_all_who_speak_share_its_beats_and_none_is_more_than_a_lead_ahead() -> None:
    async def scene() -> tuple[list[list[float]], float]:
        clock = VirtualClock()
        sent: list[list[float]] = [[], [], []]
        for number, times in enumerate(sent):
            await clock.sleep(0.007 * number)
            playout = Playout(clock, lambda _, times=times: times.append(clock.boot()), lambda: None)
            await playout.put(Speech(), Spoken("words"), bytes(FRAME_BYTES * 20))
        began = clock.boot()
        await clock.sleep(1)
        return sent, began

    sent, began = run_virtual(scene())
    assert [len(times) for times in sent] == [20, 20, 20]
    for times in sent:
        ahead = [number * FRAME_SECONDS - (at - times[0]) for number, at in enumerate(times)]
        assert min(ahead) >= 0
        assert max(ahead) <= 0.041
    beats = {round(at, 6) for times in sent for at in times if at > began}
    assert len(beats) <= 20


def test_it_beats_only_while_somebody_waits() -> None:
    async def scene() -> list[float]:
        clock = VirtualClock()
        beat = Metronome(clock)
        called: list[float] = []
        act: Callable[[], None] = lambda: called.append(clock.boot())  # noqa: E731 - one object, to be forgotten by
        beat.wait(act)
        beat.forget(act)
        await clock.sleep(1)
        beat.wait(act)
        await clock.sleep(1)
        return called

    assert len(run_virtual(scene())) == 1


def test_an_event_loop_has_one() -> None:
    async def scene() -> bool:
        clock = VirtualClock()
        return metronome(clock) is metronome(VirtualClock())

    assert run_virtual(scene())


def test_what_sending_raises_ends_the_playout_and_nobody_elses() -> None:
    async def scene() -> int:
        clock = VirtualClock()
        sent: list[bytes] = []

        def broken(_: bytes) -> None:
            if len(sent) > 5:
                raise OSError("the line is cut")

        first, second = Playout(clock, broken, lambda: None), Playout(clock, sent.append, lambda: None)
        for playout in (first, second):
            await playout.put(Speech(), Spoken("words"), bytes(FRAME_BYTES * 20))
        with pytest.raises(OSError, match="the line is cut"):
            await first.run()
        await clock.sleep(1)
        return len(sent)

    assert run_virtual(scene()) == 20
