"""All scenes of the turn, one process after the other, and the table that they make."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.turn import rows
from tests.bench.turn.rows import Row, Scene

ROOT = Path(__file__).resolve().parents[3]

# Those within one tuple run side by side: each leaves nine tenths of a core idle.
SCENES: Sequence[tuple[Scene, ...]] = (
    (rows.own_share("vad", 1, 100), rows.own_share("turn-taking", 1, 100)),
    (rows.own_share("vad", 10, 20),),
    (rows.own_share("turn-taking", 10, 20),),
    (rows.barge_in("vad", 10, 12), rows.barge_in("turn-taking", 10, 12)),
    (rows.idle_and_speaking("vad", 10), rows.idle_and_speaking("turn-taking", 10)),
    (rows.nobody_speaks(1000),),
    (rows.live(1, False), rows.live(1, True)),
    (rows.live(10, False), rows.live(50, False)),
    (rows.live(10, True),),
    (rows.answer_time(10),),
    (rows.many_calls(200, 600, 1000),),
    (rows.pictures(30),),
)
PARTS = tuple(dict.fromkeys(scene.part for group in SCENES for scene in group))


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[Row]

    def lines(self) -> list[str]:
        return rows.lines(self.rows)

    def plain(self) -> dict[str, Any]:
        return {"rows": [row.plain() for row in self.rows]}


async def measured(only: str | None = None) -> Found:
    """`only` is one of PARTS."""
    found: list[Row] = []
    for group in SCENES:
        chosen = [scene for scene in group if only in (None, scene.part)]
        for answers in await asyncio.gather(*(_rows(scene) for scene in chosen)):
            found += answers
    return Found(found)


async def _rows(scene: Scene) -> list[Row]:
    print(f"bench: turn, {scene.name} {dict(scene.arguments)}", file=sys.stderr, flush=True)
    words = ("-m", "tests.bench.turn.subject", scene.name, json.dumps(dict(scene.arguments)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{scene.name} {dict(scene.arguments)}: {errors.decode()[-3000:]}")
    return scene.rows(json.loads(out.splitlines()[-1]))
