"""`greenroom check`: asks an installed API whether it works, as a caller would. What `helm test` runs.

It knows an address and a token, nothing of the cluster behind it. What it starts it closes, and the session's own
limits end it should the check itself be cut off.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from greenroom_core import logs
from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.transport import Request, TransportError
from greenroom_core.settings import BadSetting, load, setting
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenroom_core.kube.transport import Answer

logger = logging.getLogger("greenroom.check")

_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 10.0
_LONGEST_SESSION_SECONDS = 300


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Asks a REST API whether it is there, and whether a session starts and ends."""

    url: str = setting(
        MISSING, "address of the API, as http://greenroom-api:8000", lambda v: v.startswith(("http://", "https://"))
    )
    runtime: str = setting("", "AgentRuntime to start a session of; empty: none is started")
    token_file: str = setting("", "file with the token to show; empty: none is shown")
    deadline_seconds: float = setting(120.0, "how long all of it may take, above 0", lambda value: value > 0)
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    log_format: str = setting("text", "text or json", lambda value: value in ("text", "json"))


class Failed(Exception):
    """The API does not do what it is to do; the text is one sentence."""


class Check:
    """Of one API."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._doing = "nothing yet"

    async def run(self, runtime: str, deadline_seconds: float) -> None:
        """Returns when all went well; an empty `runtime`: without a session. Raises Failed."""
        try:
            async with self._world.clock.timeout(deadline_seconds):
                await self._until("/health", 200)
                await self._until("/ready", 200)
                if runtime:
                    await self._one_session(runtime, deadline_seconds)
        except TimeoutError:
            raise Failed(f"after {deadline_seconds:g} s still: {self._doing}") from None

    async def _one_session(self, runtime: str, deadline_seconds: float) -> None:
        path = f"/calls/check-{self._world.random.getrandbits(48):012x}/sessions"
        limits = {"start_deadline_seconds": deadline_seconds, "max_duration_seconds": _LONGEST_SESSION_SECONDS}
        asked = {"runtime": runtime, "limits": limits, "ttl_seconds_after_finished": 0}
        started = await self._asked("POST", path, 201, asked, deadline_seconds)
        session = f"{path}/{json.loads(started.body)['session_id']}"
        await self._asked("DELETE", session, 202)
        await self._until(session, 404)

    async def _until(self, path: str, status: int) -> None:
        """Looks until the answer has that status: pods may still be starting, and an agent takes its time to leave."""
        while True:
            try:
                await self._asked("GET", path, status)
            except Failed as problem:
                self._doing = str(problem)
                await self._world.clock.sleep(_LOOK_SECONDS)
            else:
                return

    async def _asked(
        self,
        method: str,
        path: str,
        status: int,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float = _ANSWER_SECONDS,
    ) -> Answer:
        self._doing = f"{method} {path} has no answer"
        begun = self._world.clock.boot()
        request = Request(method, path, body=None if body is None else json.dumps(body).encode())
        try:
            answer = await self._world.transport.send(request, timeout_seconds)
        except TransportError as problem:
            raise Failed(f"{method} {path}: {problem}") from None
        if answer.status != status:
            told = answer.body.decode(errors="replace")[:300]
            raise Failed(f"{method} {path}: expected {status}, got {answer.status} {told}".rstrip())
        logger.info("%s %s: %d in %.0f ms", method, path, status, 1000 * (self._world.clock.boot() - begun))
        return answer


async def _check(chosen: CheckSettings, token: str | None) -> None:
    there = Credentials(chosen.url, ssl.create_default_context(), lambda: token, namespace="")
    async with HttpTransport(there, user_agent="greenroom-check") as transport:
        await Check(World(SystemClock(), SystemRandom(), transport)).run(chosen.runtime, chosen.deadline_seconds)


def main(argv: Sequence[str]) -> None:
    """`argv[0]` is the command's own word."""
    try:
        chosen = load(CheckSettings, "greenroom check", argv[1:])
        logs.set_up(chosen.log_level, chosen.log_format)
        token = Path(chosen.token_file).read_text().strip() if chosen.token_file else None
        asyncio.run(_check(chosen, token))
    except (BadSetting, Failed, OSError) as error:
        sys.exit(f"greenroom check: {error}")
    logger.info("it works")
