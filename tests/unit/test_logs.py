"""Log lines: their form, the session they belong to, and what of a user's own set-up they leave alone."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from greenroom_core import logs
from greenroom_core.session_context import current

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = "greenroom.test"
TOUCHED = ("", logs.OWN_LOGGER, OWN, "my_app", *logs.HTTP_LOGGERS)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """As in a new process, and afterwards as before."""
    every = [logging.getLogger(name) for name in TOUCHED]
    states = [(each, each.handlers[:], each.filters[:], each.level, each.propagate) for each in every]
    last_resort = logging.lastResort
    new_process()
    yield
    logging.lastResort = last_resort
    for logger, handlers, filters, level, propagate in states:
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
        logger.propagate = propagate


def new_process() -> None:
    """No handler anywhere: pytest's own come back to the root for each phase of a test."""
    for logger in map(logging.getLogger, TOUCHED):
        logger.handlers[:], logger.filters[:] = [], []
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    logging.getLogger().setLevel(logging.WARNING)


def set_up(*arguments: Any, **options: Any) -> None:
    new_process()
    logs.set_up(*arguments, **options)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_text_is_time_level_and_message() -> None:
    stream = io.StringIO()
    set_up("info", "text", stream=stream)
    logging.getLogger(OWN).info("%d sessions", 3)
    logging.getLogger(OWN).debug("not this")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} \| INFO \| 3 sessions\n", stream.getvalue())


def test_a_line_of_json_is_one_object_even_with_a_traceback() -> None:
    stream = io.StringIO()
    set_up("INFO", "json", stream=stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger(OWN).exception("failed", extra={"pod": "a", "odd": {1}, "level": "mine"})
    (line,) = written(stream)
    assert (line["level"], line["logger"], line["message"], line["pod"]) == ("ERROR", OWN, "failed", "a")
    assert line["odd"] == "{1}"
    assert "ValueError: two\nlines" in line["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_a_sessions_tasks_carries_its_ids_whoever_logs_it(form: str) -> None:
    stream = io.StringIO()
    set_up("INFO", form, stream=stream)
    logging.getLogger("my_app").setLevel(logging.INFO)

    async def deeper() -> None:
        logging.getLogger("my_app").info("from the user")
        await asyncio.to_thread(logging.getLogger("my_app").info, "from a thread")

    async def session(number: int) -> None:
        with logs.session_context(f"s-{number}", f"call-{number}"):
            logging.getLogger(OWN).info("ours")
            async with asyncio.TaskGroup() as group:
                group.create_task(deeper())
        logging.getLogger(OWN).info("after")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(session(1))
            group.create_task(session(2))

    asyncio.run(both())
    if form == "text":
        lines = stream.getvalue().splitlines()
        for number in (1, 2):
            assert len([line for line in lines if line.endswith(f" session=s-{number} call=call-{number}")]) == 3
        assert len([line for line in lines if line.endswith("| after")]) == 2
        return
    seen = defaultdict(set)
    for line in written(stream):
        seen[(line.get("session"), line.get("call"))].add(line["message"])
    every = {"ours", "from the user", "from a thread"}
    assert seen == {("s-1", "call-1"): every, ("s-2", "call-2"): every, (None, None): {"after"}}


def test_a_session_may_take_another_id_while_its_tasks_run() -> None:
    stream = io.StringIO()
    set_up("INFO", "json", stream=stream)

    async def scene() -> None:
        renamed = asyncio.Event()

        async def inner() -> None:
            await renamed.wait()
            logging.getLogger(OWN).info("inside")

        with logs.session_context("former", "call") as ids:
            task = asyncio.create_task(inner())
            ids.session = "latter"
            renamed.set()
            await task
        assert current() is None

    asyncio.run(scene())
    assert [(line["session"], line["call"]) for line in written(stream)] == [("latter", "call")]


def test_what_a_call_says_of_its_session_goes_before_the_context() -> None:
    stream = io.StringIO()
    set_up("INFO", "json", stream=stream)
    with logs.session_context("mine", "call"):
        logging.getLogger(OWN).info("of another", extra={"session": "other"})
    assert [(line["session"], line["call"]) for line in written(stream)] == [("other", "call")]


def test_no_line_has_what_must_not_be_logged() -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        set_up("INFO", form, stream=stream, clean=lambda text: text.replace("hunter2", "***"))
        try:
            raise ValueError("hunter2 is wrong")
        except ValueError:
            logging.getLogger(OWN).exception("with %s", "hunter2", extra={"key": "hunter2", "all": ["hunter2"]})
        assert stream.getvalue().count("***") >= 3
        assert "hunter2" not in stream.getvalue()


def test_without_tracebacks_our_own_events_are_one_line_and_a_users_are_whole() -> None:
    stream = io.StringIO()
    set_up("INFO", "text", stream=stream, tracebacks=False)
    for name in (OWN, "my_app"):
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger(name).exception("of %s\nand more", name)
    ours, *users = stream.getvalue().splitlines()
    assert ours.endswith(f"| of {OWN}")
    assert users[0].endswith("| of my_app")
    assert users[-1] == "ValueError: no"


def test_colour_is_for_terminals_that_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, quiet, coloured in ((Terminal(), "", True), (Terminal(), "1", False), (io.StringIO(), "", False)):
        monkeypatch.setenv("NO_COLOR", quiet)
        set_up("INFO", "text", stream=stream)
        logging.getLogger(OWN).warning("careful")
        assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_users_own_set_up_stays_and_no_line_comes_twice() -> None:
    theirs, ours = io.StringIO(), io.StringIO()
    logging.basicConfig(stream=theirs, level=logging.INFO, format="mine %(message)s", force=True)
    logs.set_up("INFO", "text", http_level="INFO", stream=ours)
    logging.getLogger("my_app").info("theirs")
    logging.getLogger(OWN).info("ours")
    logging.getLogger("uvicorn.error").info("served")
    assert theirs.getvalue() == "mine theirs\n"
    assert [line.split(" | ")[2] for line in ours.getvalue().splitlines()] == ["ours", "served"]


def test_a_user_may_set_logging_up_later_too() -> None:
    stream = io.StringIO()
    set_up("INFO", "text", stream=stream)
    logging.getLogger("my_app").warning("before")
    theirs = io.StringIO()
    logging.basicConfig(stream=theirs, level=logging.INFO, format="mine %(message)s")
    logging.getLogger("my_app").info("after")
    assert stream.getvalue().endswith("| WARNING | before\n")
    assert theirs.getvalue() == "mine after\n"


def test_a_logger_with_handlers_and_a_level_keeps_both() -> None:
    theirs, ours = io.StringIO(), io.StringIO()
    own = logging.getLogger(logs.OWN_LOGGER)
    own.addHandler(logging.StreamHandler(theirs))
    own.propagate = False
    own.setLevel(logging.ERROR)
    logs.set_up("DEBUG", "text", stream=ours)
    logging.getLogger(OWN).warning("too quiet")
    logging.getLogger(OWN).error("heard")
    assert (theirs.getvalue(), ours.getvalue()) == ("heard\n", "")


def test_who_asks_for_json_gets_it_from_what_they_set_up_on_the_terminal_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, file = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    logging.basicConfig(level=logging.INFO, format="mine %(message)s", force=True)
    logging.getLogger("my_app").addHandler(logging.StreamHandler(file))
    logs.set_up("INFO", "json")
    with logs.session_context("s", "c"):
        logging.getLogger("my_app").info("theirs")
        logging.getLogger(OWN).info("ours")
    assert [(line["message"], line["session"], line["call"]) for line in written(terminal)] == [
        ("theirs", "s", "c"),
        ("ours", "s", "c"),
    ]
    assert file.getvalue() == "theirs\n"


@pytest.mark.parametrize(("level", "probes"), [("INFO", []), ("DEBUG", ["/health", "/ready?full=1"])])
def test_probes_are_no_news_in_the_access_log(level: str, probes: list[str]) -> None:
    stream = io.StringIO()
    set_up("INFO", "json", http_level=level, stream=stream)
    access = logging.getLogger("uvicorn.access")
    for path in ("/health", "/ready?full=1", "/calls/health/sessions"):
        access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", path, "1.1", 200)
    lines = written(stream)
    assert [line["message"].split()[3] for line in lines if line["level"] == "DEBUG"] == probes
    assert [line["message"].split()[3] for line in lines if line["level"] == "INFO"] == ["/calls/health/sessions"]


def test_levels_of_the_server_and_of_the_agents_are_apart() -> None:
    stream = io.StringIO()
    set_up("debug", "json", http_level="warning", stream=stream)
    for name in (OWN, "uvicorn.error", "fastapi"):
        logging.getLogger(name).info("news")
        logging.getLogger(name).warning("trouble")
    assert [(line["logger"], line["message"]) for line in written(stream)] == [
        (OWN, "news"),
        (OWN, "trouble"),
        ("uvicorn.error", "trouble"),
        ("fastapi", "trouble"),
    ]
