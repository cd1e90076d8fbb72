"""The figures of a turn, each beside what it is to be. Pure: from the scenes' answers to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.figures import Spread

Answer = Any
"""What one scene found, in seconds, bytes and counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """`bound` is the most that is wanted; None: told, not judged."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.bound is None else self.value <= self.bound

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


@dataclass(frozen=True, slots=True)
class Scene:
    """One process: `part` is what chooses it, `name` the function in it, `rows` makes its figures."""

    part: str
    name: str
    rows: Callable[[Answer], list[Row]]
    arguments: Mapping[str, Any] = field(default_factory=dict)


def lines(rows: Sequence[Row]) -> list[str]:
    table = [("", "", "", "target", ""), *(_cells(row) for row in rows)]
    name, value, unit, bound, _ = (max(len(cells[column]) for cells in table) for column in range(5))
    return [
        f"{cells[0]:{name}}  {cells[1]:>{value}}  {cells[2]:{unit}}  {cells[3]:>{bound}}  {cells[4]}".rstrip()
        for cells in table
    ]


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    value = f"{row.value:.3g}" if row.value < 100 else f"{row.value:,.0f}"
    bound = "" if row.bound is None else f"{row.bound:g}"
    return row.name, value, row.unit, bound, {True: "met", False: "MISSED", None: ""}[row.met]


def spread(name: str, seconds: Sequence[float], p50: float | None = None, p95: float | None = None) -> list[Row]:
    found = Spread.of(seconds)
    return [
        Row(f"{name}, p50 of {found.count}", found.p50, "ms", p50),
        Row(f"{name}, p95", found.p95, "ms", p95),
    ]


def own_share(ears: str, sessions: int, turns: int) -> Scene:
    who = f"{ears}, {_sessions(sessions)}"

    def rows(answer: Answer) -> list[Row]:
        return [
            *spread(f"own share of a turn, {who}", answer["own"], 6, 8),
            *spread(f"the same less nominal delays, {who}", answer["less_nominal"]),
        ]

    return Scene("answers", "own_share", rows, {"ears": ears, "sessions": sessions, "turns": turns})


def barge_in(ears: str, sessions: int, count: int) -> Scene:
    def rows(answer: Answer) -> list[Row]:
        return [
            *spread(f"speech signalled to stop, {ears}", answer["to_stop"], 0.5, 0.5),
            *spread(f"speech signalled to silence, {ears}", answer["to_silence"]),
            *spread(f"first frame of speech to silence, {ears}", answer["sound_to_silence"], 100),
        ]

    return Scene("answers", "barge_in", rows, {"ears": ears, "sessions": sessions, "count": count})


def idle_and_speaking(ears: str, sessions: int) -> Scene:
    who = f"{ears}, {_sessions(sessions)}"

    def rows(answer: Answer) -> list[Row]:
        return [
            Row(f"CPU a session-second, nothing sent, {who}", 1000 * answer["nothing"], "ms", 3),
            Row(f"CPU a session-second, silence sent, {who}", 1000 * answer["silence"], "ms", 3),
            Row(f"CPU a session-second, agent speaks, {who}", 1000 * answer["speaking"], "ms", 5),
            Row(f"the callers' own, taken off, {who}", 1000 * answer["callers"], "ms"),
            Row(f"sound of a second of speaking, {who}", answer["spoken_seconds"], "s"),
            Row(f"lateness of the loop, agents speak, p99, {who}", Spread.of(answer["late"]).p99, "ms"),
        ]

    return Scene("costs", "idle_and_speaking", rows, {"ears": ears, "sessions": sessions})


def nobody_speaks(sessions: int) -> Scene:
    def rows(answer: Answer) -> list[Row]:
        return [
            Row(f"CPU of {sessions:,} calls in which nobody speaks", 100 * answer["share"], "% of a core", 5),
            Row(f"memory of each of {sessions:,} calls", answer["bytes"] / 1e6, "MB", 5),
        ]

    return Scene("costs", "nobody_speaks", rows, {"sessions": sessions})


def live(sessions: int, engines: bool) -> Scene:
    who = f"{_sessions(sessions)}, {'engines without network' if engines else 'scripted parts'}"

    def rows(answer: Answer) -> list[Row]:
        return [
            Row(f"CPU a session-second of a live call, {who}", 1000 * answer["cpu"], "ms"),
            Row(f"memory of a live call beyond the engines' own, {who}", answer["bytes"] / 1e6, "MB", 5),
        ]

    return Scene("conversations", "live", rows, {"sessions": sessions, "engines": engines, "seconds": 6.0})


def answer_time(turns: int) -> Scene:
    name = "end of speech to first sound, engines without network"

    def rows(answer: Answer) -> list[Row]:
        unanswered = answer["asked"] - len(answer["seconds"])
        return [*spread(name, answer["seconds"], 500), Row("questions without an answer", unanswered, "", 0)]

    return Scene("conversations", "answer_time", rows, {"turns": turns})


def many_calls(*counts: int) -> Scene:
    def rows(answer: Answer) -> list[Row]:
        first, middle, last = answer
        whole = f"{first['calls']:,} to {last['calls']:,} calls"
        half = f"{middle['calls']:,} to {last['calls']:,} calls"
        calls = last["calls"] - first["calls"]
        return [
            Row(f"objects left a call, {whole}", (last["objects"] - first["objects"]) / calls, "objects", 0.1),
            Row(f"blocks of memory left a call, {whole}", (last["blocks"] - first["blocks"]) / calls, "blocks", 0.5),
            Row(f"tasks left, {whole}", last["tasks"] - first["tasks"], "tasks", 0),
            Row(f"open files left, {whole}", last["descriptors"] - first["descriptors"], "files", 0),
            Row(f"growth of the process, {whole}", (last["bytes"] - first["bytes"]) / 1e6, "MB"),
            Row(f"growth of the process, {half}", (last["bytes"] - middle["bytes"]) / 1e6, "MB", 2),
        ]

    return Scene("conversations", "many_calls", rows, {"counts": counts, "at_once": 40})


def pictures(count: int) -> Scene:
    def rows(answer: Answer) -> list[Row]:
        kinds = {"decoded": "local.Edge", "planes": "getstream.Edge"}
        sizes = {"whole": "1280x720", "small": "768 pixels"}
        return [
            *(
                Row(f"CPU of a JPEG, {text}, of a 720p frame of {edge}", 1000 * answer[f"{kind}, {size}"], "ms")
                for kind, edge in kinds.items()
                for size, text in sizes.items()
            ),
            Row("CPU of taking in a frame, 30 a second, 5 looked at", 1e6 * answer["taken in"], "us"),
        ]

    return Scene("pictures", "pictures", rows, {"count": count})


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
