"""Why a session's process is no more, in words for a status."""

from __future__ import annotations

import os
import signal
from typing import assert_never

from greenroom.isolation.vigil import Verdict

OUT_OF_MEMORY_STATUS = 86
"""What a session process exits with when it cannot even say that it went over its memory limit."""

_BYTES_PER_MIB = 2**20


def over_memory_limit(limit_bytes: int) -> str:
    return f"the session's process exceeded its memory limit of {limit_bytes / _BYTES_PER_MIB:g} MiB"


def of_verdict(verdict: Verdict, blocked_loop_seconds: float) -> str:
    """Of a process that the launcher killed."""
    match verdict:
        case Verdict.BLOCKED:
            return f"its event loop was blocked for {blocked_loop_seconds:g} s"
        case Verdict.LEAVES_TOO_SLOWLY:
            return "its process did not leave in time and was killed"
        case Verdict.STARTS_TOO_SLOWLY:
            return "its process did not end its start in time and was killed"
        case Verdict.DOES_NOT_EXIT:
            return "its process cut its connection and was killed"
        case _:
            assert_never(verdict)


def of_status(status: int | None, memory_limit_bytes: int | None) -> str:
    """`status` as waitpid gives it; None if it is not known."""
    if status is None:
        return "its process is gone"
    code = os.waitstatus_to_exitcode(status)
    if code == OUT_OF_MEMORY_STATUS and memory_limit_bytes is not None:
        return over_memory_limit(memory_limit_bytes)
    return f"its process {of_code(code)}"


def of_code(code: int) -> str:
    """`code` as :mod:`subprocess` gives it: below 0 it is a signal's number."""
    if code < 0:
        return f"was ended by signal {-code} ({_name(-code)})"
    return f"exited with status {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
