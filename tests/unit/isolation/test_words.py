"""What crosses between processes, and in which words a process's end is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import errors
from greenroom.isolation import AgentCodeError, ends, wire
from greenroom.isolation.executors import end_threads
from greenroom.isolation.failures import put_together, ran_out_of_memory, taken_apart
from greenroom.redaction import described
from greenroom_core.model.reasons import EndReason

MESSAGES: list[wire.FromSession] = [
    wire.Alive(None),
    wire.AgentBuilt(datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "a", wire.State(1.5, 2.5, {"x": 3, "y": {"sum": 1.0}})),
    wire.CallOver(wire.Failure("ValueError", "ü")),
    wire.LifeEnded(datetime(2026, 1, 2, tzinfo=UTC), EndReason.IDLE, "", None, wire.State()),
]


@given(st.lists(st.sampled_from(MESSAGES)), st.integers(1, 40))
def test_messages_survive_any_cutting_of_the_stream(messages: list[wire.FromSession], size: int) -> None:
    stream = b"".join(wire.framed(message) for message in messages)
    buffer, heard = bytearray(), []
    for start in range(0, len(stream), size):
        buffer += stream[start : start + size]
        heard += list(wire.taken(buffer, wire.FROM_SESSION))
    assert heard == messages
    assert not buffer


@pytest.mark.parametrize(
    ("status", "limit", "words"),
    [
        (None, None, "its process is gone"),
        (3 << 8, None, "its process exited with status 3"),
        (0, None, "its process exited with status 0"),
        (9, None, "its process was ended by signal 9 (SIGKILL)"),
        (11 | 128, None, "its process was ended by signal 11 (SIGSEGV)"),
        (35, None, "its process was ended by signal 35 (unknown)"),
        (86 << 8, 512 << 20, "the session's process exceeded its memory limit of 512 MiB"),
        (86 << 8, None, "its process exited with status 86"),
    ],
)
def test_how_a_process_ended(status: int | None, limit: int | None, words: str) -> None:
    assert ends.of_status(status, limit) == words


class Peculiar(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Peculiar("a: b"), Peculiar(), Peculiar("Peculiar"), ValueError("x"), KeyError("k"), SystemExit(3)]
)
def test_an_error_reads_the_same_on_the_other_side(error: BaseException) -> None:
    there = put_together(taken_apart(error))
    assert isinstance(there, AgentCodeError)
    assert described(there) == described(error)


def test_what_the_launcher_itself_refuses_keeps_its_class() -> None:
    for kind in (errors.InvalidParameters, errors.StartTimedOut, errors.StartAbandoned):
        there = put_together(taken_apart(kind("why")))
        assert type(there) is kind
        assert str(there) == "why"


def test_secrets_stay_on_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_TEST_API_KEY", "s3cr3t-value")
    assert taken_apart(ValueError("key s3cr3t-value")).text == "key [redacted]"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (None, False),
        (ValueError(), False),
        (MemoryError(), True),
        (ExceptionGroup("", [ValueError(), ExceptionGroup("", [MemoryError()])]), True),
        (ExceptionGroup("", [ValueError()]), False),
        (RuntimeError("node Transpose_58: std::bad_alloc"), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(12, "Cannot allocate memory"), True),
    ],
)
def test_memory_errors_are_found_in_groups(error: BaseException | None, memory: bool) -> None:
    assert ran_out_of_memory(error) is memory


def test_pools_work_again_after_their_threads_were_ended() -> None:
    pool, closed = ThreadPoolExecutor(2, thread_name_prefix="mine"), ThreadPoolExecutor(1)
    closed.shutdown()
    before = pool.submit(current_thread).result()
    end_threads()
    assert not before.is_alive()
    after = pool.submit(current_thread).result()
    assert after.is_alive()
    assert after.name.startswith("mine")
    with pytest.raises(RuntimeError):
        closed.submit(print)
    pool.shutdown()
