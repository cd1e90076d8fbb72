"""python -m tests.fakes.deepgram --port 8101: Deepgram with the offline recogniser, or with texts for the turns."""

from __future__ import annotations

from collections import deque

from tests.fakes.deepgram.server import FakeDeepgram
from tests.fakes.vendor_server import arguments, serve_for_ever

from greenroom.plugins import local


async def recognise(pcm: bytes) -> str:
    utterance = local.STT().utterance()
    await utterance.feed(pcm)
    return await utterance.finish()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--says", action="append", default=[], help="what the next turn says, whatever is heard")
    given = parser.parse_args()
    listen = None if given.says else recognise
    serve_for_ever(FakeDeepgram(given.key, given.port, texts=deque(given.says), recognise=listen), "deepgram")


if __name__ == "__main__":
    main()
