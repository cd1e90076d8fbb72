"""One start that code of this process has asked for, as far as it has come. It asks nobody anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.errors import StartAbandoned
from greenroom.runtime import own

if TYPE_CHECKING:
    from greenroom.hosts import Wanted
    from greenroom.runtime.attempt import Attempt
    from greenroom_core.model.session import AgentSession


class OwnStart:
    """Whoever tells it something wakes the one who waits for it (`moved`).

    `session` is the newest body while no pod holds it, `attempt` what the pod runs of it, `error` why it will not run.
    `doubted`: the API server is to be asked how it stands. `unwanted`: nobody waits for it any longer. `gone`: there is
    certainly no object, or it has been withdrawn.
    """

    def __init__(self, wanted: Wanted, name: str) -> None:
        self.wanted = wanted
        self.name = name
        self.session: AgentSession | None = None
        self.attempt: Attempt | None = None
        self.error: Exception | None = None
        self.doubted = False
        self.unwanted = False
        self.gone = False
        self.moved = asyncio.Event()

    def taken_up(self, attempt: Attempt) -> None:
        """The pod runs it now."""
        self.attempt = attempt
        self.moved.set()

    def failed(self, error: Exception) -> None:
        """It will not run. The first error stays."""
        self.error = self.error or error
        self.moved.set()

    def withdraw(self, why: str) -> None:
        """Nobody will have it any longer."""
        self.unwanted = True
        self.failed(StartAbandoned(why))

    def observe(self, session: AgentSession) -> None:
        """The newest body while no pod holds it."""
        self.session = session
        if session.ended:
            self.failed(own.refusal(session))
        elif session.deleting:
            self.failed(StartAbandoned("the session was deleted before its agent was built"))

    def doubt(self) -> None:
        """It is none of those without a pod any longer, which proves nothing."""
        self.doubted = True
        self.moved.set()
