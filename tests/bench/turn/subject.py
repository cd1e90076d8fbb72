"""`python -m tests.bench.turn.subject SCENE ARGUMENTS`: one scene in this process, on the event loop that pods have.

ARGUMENTS and the answer are JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from importlib import import_module

import uvloop

from greenroom.collection import collect_less_often

SCENES = {
    "own_share": "answers",
    "barge_in": "answers",
    "idle_and_speaking": "costs",
    "nobody_speaks": "costs",
    "live": "conversations",
    "answer_time": "conversations",
    "many_calls": "conversations",
    "pictures": "pictures",
}
"""The module of each, imported when it runs: what others need would weigh on it."""


def main() -> None:
    name, arguments = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    collect_less_often()
    scene = getattr(import_module(f"tests.bench.turn.{SCENES[name]}"), name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(scene(**json.loads(arguments)))), flush=True)


if __name__ == "__main__":
    main()
