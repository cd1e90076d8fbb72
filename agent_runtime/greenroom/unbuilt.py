"""Why a session has no agent, for a caller who waits for one. The same wherever the session lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.errors import StartAbandoned, StartTimedOut
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom.notices import Ended


def start_error(error: BaseException | None, ending: Ended | None) -> BaseException:
    """`error` if the agent's code raised it, else what the session's `ending` means; None: it was cut off."""
    if error is not None:
        return error
    if ending is not None and ending.reason is EndReason.START_TIMEOUT:
        return StartTimedOut(ending.message)
    return StartAbandoned(f"the session ended before its agent was built: {ending.reason if ending else 'cut off'}")
