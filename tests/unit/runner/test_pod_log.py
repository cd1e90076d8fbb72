"""A runtime pod's log: each line about a session says whose it is, those of the agent's own code too."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.unit.runtime.cluster import cluster
from tests.unit.runtime.stories import story

from greenroom_core.logs import JsonFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.runtime.agents import OwnAgent

app_log = logging.getLogger("my_app")


@contextmanager
def logged_as_json() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    touched = [logging.getLogger("greenroom"), app_log]
    levels = [logger.level for logger in touched]
    for logger in touched:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        for logger, level in zip(touched, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


async def _talk(agent: OwnAgent) -> None:
    agent.join()
    await asyncio.create_task(_deeper())


async def _deeper() -> None:
    app_log.info("deep inside")


@story
async def test_two_sessions_of_one_pod_are_told_apart() -> None:
    with logged_as_json() as stream:
        async with cluster() as here:
            here.file.call = _talk
            for name in ("s1", "s2"):
                await here.create(name)
                await here.bind(name)
                await here.ended(name)
    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    for name in ("s1", "s2"):
        own = [line for line in lines if line.get("session") == name]
        assert {line["call"] for line in own} == {f"call-of-{name}"}
        messages = [line["message"] for line in own]
        assert "deep inside" in messages
        assert f"session {name} has joined its call" in messages
        assert any(message.startswith(f"session {name} ended: Finished") for message in messages)
    assert not [line for line in lines if "session s" in line["message"] and "session" not in line]
