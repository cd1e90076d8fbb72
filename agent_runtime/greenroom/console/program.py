"""One session in the console, from the launcher's start to its stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom.console import sound
from greenroom.console.lines import Lines
from greenroom.console.screen import Screen
from greenroom.console.talk import Talk
from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenroom.launcher import AgentLauncher
    from greenroom.session import AgentSession

logger = logging.getLogger("greenroom.console")

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Which call the agent joins, and what is done about it. `video_track_override` is a file's path."""

    call_type: str
    call_id: str
    demo: bool = True
    audio: bool = True
    video_track_override: str | None = None


def terminal() -> Screen:
    """Standard output; somebody sits there if input and output both are terminals."""
    return Screen(sys.stdout, interactive=_is_terminal(sys.stdin) and _is_terminal(sys.stdout))


async def one_session(launcher: AgentLauncher, invitation: Invitation, screen: Screen) -> None:
    """Returns when the session is over and its agent has left. Raises what the agent's code raised."""
    sound.wanted.set(invitation.audio and screen.interactive)
    with _terminable():
        async with launcher:
            session = await launcher.start_session(
                invitation.call_id, invitation.call_type, invitation.video_track_override
            )
            talk = Talk(session.agent, screen, _standard_input())
            with talk.shown():
                screen.show(
                    f"session {session.id} joins call {invitation.call_type}/{invitation.call_id}; Ctrl-C ends it"
                )
                if invitation.demo:
                    await _open_demo(session, invitation)
                await _until_over(launcher, session, talk)
        screen.show("the call is over")


async def _until_over(launcher: AgentLauncher, session: AgentSession, talk: Talk) -> None:
    talking = asyncio.create_task(talk.run(), name="console")
    try:
        await asyncio.wait((talking, session.task), return_when=asyncio.FIRST_COMPLETED)
        if not session.task.done():
            await launcher.close_session(session.id, wait=True)
    finally:
        talking.cancel()
        await asyncio.wait((talking,))
    for task in (session.task, talking):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _open_demo(session: AgentSession, invitation: Invitation) -> None:
    """The edge's page to join the call with, where it has one; a call is none the worse without."""
    open_demo = getattr(getattr(session.agent, "edge", None), "open_demo_for_agent", None)
    if open_demo is None:
        return
    try:
        await open_demo(session.agent, invitation.call_type, invitation.call_id)
    except Exception as error:
        logger.warning("the demo page was not opened (--no-demo leaves it out): %s", described(error))


@contextmanager
def _terminable() -> Iterator[None]:
    """Within the block SIGTERM, and the end of the terminal, end the session as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in _ENDS:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in _ENDS:
            loop.remove_signal_handler(number)


def _standard_input() -> Lines | None:
    try:
        return Lines(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is no file
        return None


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False
