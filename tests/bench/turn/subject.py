"""`python -m tests.bench.turn.subject SCENE ARGUMENTS`: one scene in this process, on the event loop that pods have.

ARGUMENTS and the answer are JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import uvloop
from tests.bench.turn.answers import barge_in, own_share
from tests.bench.turn.conversations import answer_time, live, many_calls
from tests.bench.turn.costs import idle_and_speaking, nobody_speaks
from tests.bench.turn.pictures import pictures

from greenroom.collection import collect_less_often

SCENES = {
    scene.__name__: scene
    for scene in (own_share, barge_in, idle_and_speaking, nobody_speaks, live, answer_time, many_calls, pictures)
}


def main() -> None:
    name, arguments = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    collect_less_often()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(SCENES[name](**json.loads(arguments)))), flush=True)


if __name__ == "__main__":
    main()
