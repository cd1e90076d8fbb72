"""A person and an agent: what is typed goes to the agent, what is said is shown, a few words are commands.

Works with any agent that can be told a text, whatever its edge; knows neither launcher nor signals.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from greenroom import hosted
from greenroom.agent import Agent, Participant
from greenroom.console.transcript import Told, Transcript
from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from greenroom.console.lines import Lines
    from greenroom.console.screen import Screen

    Tell = Callable[[str, bool], Awaitable[object]]

TYPIST = Participant("console", "You")

HELP = (
    "type a line and the agent answers it",
    "/metrics  the figures of this session",
    "/help     this",
    "/quit     the end, as the end of the input and Ctrl-C are",
)

NO_EAR = "this agent cannot be typed to: it has neither user_said nor simple_response, or runs in a process of its own"


class Talk:
    """One conversation. `lines` is None where nothing can be typed."""

    def __init__(self, agent: Any, screen: Screen, lines: Lines | None) -> None:
        self._agent = agent
        self._screen = screen
        self._lines = lines
        self._tell_agent = _ear(agent)
        self._transcript = Transcript(screen.show, echoes=screen.interactive)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within the block both sides of the call are shown, and the person is in it."""
        if not isinstance(self._agent, Agent):
            yield
            return
        transcript = self._transcript

        @self._agent.subscribe
        def hear(event: Told) -> None:
            transcript.hear(event)

        with self._agent.accompanied_by(TYPIST):
            yield

    async def run(self) -> None:
        """Returns when the person wants the end; where there is nobody to want it, never."""
        await self._joined()
        self._greet()
        if self._lines is not None and (self._tell_agent is not None or self._lines.typed):
            try:
                if await self._until_end(self._lines):
                    return
            finally:
                self._screen.farewell()
            self._screen.show("nothing comes from standard input: the call lasts until it ends, or Ctrl-C")
        await asyncio.Event().wait()

    async def _joined(self) -> None:
        wait_joined = getattr(self._agent, "wait_joined", None)
        if callable(wait_joined):
            try:
                await wait_joined()
            except RuntimeError:  # it was closed before: the session's own end tells
                await asyncio.Event().wait()

    def _greet(self) -> None:
        sound_line = getattr(getattr(self._agent, "edge", None), "sound_line", None)
        if sound_line is not None:
            self._screen.show(str(sound_line))
        if self._tell_agent is None:
            self._screen.show(NO_EAR)
        elif not isinstance(self._agent, Agent):
            self._screen.show("this agent can be typed to; what it answers only its own edge and log show")
        if self._screen.interactive:
            self._screen.show("type to the agent; /help lists the commands" if self._tell_agent else "/help, /quit")
            self._screen.prompt()

    async def _until_end(self, lines: Lines) -> bool:
        """Whether the end of the input is somebody's wish: where nobody sits and nothing came at all, it is not."""
        came = False
        async with asyncio.TaskGroup() as group, aclosing(lines.read()) as reading:
            telling: set[asyncio.Task[None]] = set()
            async for line in reading:
                came = True
                self._screen.entered()
                if line == "/quit":
                    break
                if line.startswith("/"):
                    self._obey(line)
                elif self._tell_agent is None:
                    self._screen.show(NO_EAR)
                elif self._screen.interactive:  # who types on interrupts; who pipes gets every answer whole
                    task = group.create_task(self._tell(self._tell_agent, line, interrupt=True), name="console-line")
                    telling.add(task)
                    task.add_done_callback(telling.discard)
                else:
                    await self._tell(self._tell_agent, line, interrupt=False)
                self._screen.prompt()
            for task in telling:
                task.cancel()
        return came or lines.typed

    async def _tell(self, tell: Tell, line: str, *, interrupt: bool) -> None:
        self._transcript.expect(line)
        try:
            await tell(line, interrupt)
        except Exception as error:
            self._screen.show(f"  ! the agent did not take it: {described(error)}")

    def _obey(self, command: str) -> None:
        if command == "/metrics":
            self._show_metrics()
        elif command == "/help":
            for line in HELP:
                self._screen.show(line)
        else:
            self._screen.show(f"{command}: no such command, /help lists them")

    def _show_metrics(self) -> None:
        figures = hosted.figures(self._agent, self._agent.id)
        known = {} if figures is None else {name: value for name, value in asdict(figures).items() if value}
        for name, value in known.items():
            self._screen.show(f"  {name} {value:g}")
        if not known:
            self._screen.show("  no figures yet")


def _ear(agent: Any) -> Tell | None:
    """How `agent` is told a text, if it can be."""
    if callable(user_said := getattr(agent, "user_said", None)):
        return lambda text, interrupt: user_said(text, interrupt=interrupt)
    if callable(simple_response := getattr(agent, "simple_response", None)):
        return lambda text, interrupt: simple_response(text, interrupt=interrupt)
    return None
