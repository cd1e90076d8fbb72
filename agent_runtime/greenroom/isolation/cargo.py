"""What the launcher packs for other processes, which run its own code: pickled, and unpickled nowhere else."""

from __future__ import annotations

import asyncio
import logging
import pickle
from multiprocessing import spawn
from typing import TYPE_CHECKING

from greenroom.errors import InvalidParameters
from greenroom.isolation import wire
from greenroom.isolation.loops import is_uvloop
from greenroom.redaction import described
from greenroom_core.logs import JsonFormatter

if TYPE_CHECKING:
    from greenroom.isolation.source import RecipeSource
    from greenroom.notices import Assignment


def packed(assignment: Assignment) -> bytes:
    """Raises InvalidParameters, which names the parameter that cannot be passed to another process."""
    for name, value in assignment.parameters.items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise InvalidParameters(f"{name} cannot be passed to the session's process: {described(error)}") from error
    return pickle.dumps(assignment)


def beginning(source: RecipeSource, *, warm_up: bool) -> wire.Begin:
    """What a stock process is told first. Raises RuntimeError where the agent file lacks its main guard."""
    return wire.Begin(
        preparation=_preparation(),
        source=pickle.dumps(source),
        warm_up=warm_up,
        uvloop=is_uvloop(asyncio.get_running_loop()),
        logging=_logging(),
    )


def _preparation() -> bytes:
    """What a process needs to import the agent file as this one did."""
    data = spawn.get_preparation_data("greenroom-stock")
    data["authkey"] = bytes(data["authkey"])  # its own type refuses to be pickled
    return pickle.dumps(data)


def _logging() -> wire.Logging | None:
    """As it is set up here; None if it is not."""
    own, root = logging.getLogger("greenroom"), logging.getLogger()
    handlers = [*own.handlers, *root.handlers]
    if not handlers:
        return None
    json = any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)
    return wire.Logging(logging.getLevelName(own.getEffectiveLevel()), "json" if json else "text")
