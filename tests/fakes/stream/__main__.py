"""The fake as a program, and programs pointed at it.

    python -m tests.fakes.stream --port 9400
    STREAM_API_KEY=fake-key STREAM_API_SECRET=fake-secret-of-at-least-32-letters \\
        STREAM_BASE_URL=http://127.0.0.1:9400 python -m tests.fakes.stream run agent.py run --call-id demo

With `--say question.wav`, or a sentence that the offline voice speaks, a caller comes into the call `--call`, says it,
and leaves when it has been answered. After a sentence the answer is recognised, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import wave
from pathlib import Path

from tests.fakes.stream.caller import SAMPLE_RATE
from tests.fakes.stream.server import FakeStream
from tests.fakes.stream.visit import visit

from greenroom.agent.audio import seconds_of
from greenroom.plugins import local

POINTED = Path(__file__).parent / "pointed"


COMMANDS = ("run", "serve")


def main(words: list[str]) -> None:
    options = _options(words if {*words[:1]} & {*COMMANDS, "-h", "--help"} else ["serve", *words])
    if options.command == "run":
        _run(options.program, options.words)
    else:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(options))


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.stream", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="a Python program whose Stream SDK is pointed at STREAM_BASE_URL")
    run.add_argument("program")
    run.add_argument("words", nargs=argparse.REMAINDER)
    serve = commands.add_parser("serve", help="Stream, until interrupted or the caller has left; need not be named")
    serve.add_argument("--port", type=int, default=0)
    serve.add_argument("--call", default="default:demo", help="the call of the caller, as type:id")
    serve.add_argument("--say", help="a wav file (16 kHz, 16-bit, mono), or a sentence")
    serve.add_argument("--record", type=Path, help="the wav file that gets the answer")
    serve.add_argument("--delay-seconds", type=float, default=0.0, help="every answer over HTTP takes so long")
    serve.add_argument("--refuse-requests", type=int, default=0, help="so many requests are answered with 503")
    serve.add_argument("--cut-requests", type=int, default=0, help="so many requests get no answer")
    serve.add_argument("--garble-requests", type=int, default=0, help="so many requests are answered with rubbish")
    serve.add_argument("--refuse-joins", action="store_true", help="nobody gets into a call")
    serve.add_argument("--mute-sfu", action="store_true", help="a join is never answered")
    return parser.parse_args(words)


def _run(program: str, words: list[str]) -> None:
    folders = [str(POINTED), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    os.execve(sys.executable, [sys.executable, program, *words], environment)


async def _serve(options: argparse.Namespace) -> None:
    async with FakeStream(port=options.port) as stream:
        for fault in vars(stream.faults):
            setattr(stream.faults, fault, getattr(options, fault, getattr(stream.faults, fault)))
        print(f"STREAM_BASE_URL={stream.url}")
        print(f"STREAM_API_KEY={stream.credentials.api_key}")
        print(f"STREAM_API_SECRET={stream.credentials.api_secret}", flush=True)
        if options.say is None:
            await _interrupted()
            return
        heard = await visit(stream.room(options.call), await _sound(options.say))
        spoken = "" if options.say.endswith(".wav") else f": {await _understood(heard)}"
        print(f"the caller heard {seconds_of(heard):.1f} s{spoken}", flush=True)
        if options.record is not None:
            _write(options.record, heard)


async def _interrupted() -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()


async def _sound(say: str) -> bytes:
    if say.endswith(".wav"):
        return _read(Path(say))
    return b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(say)])


async def _understood(pcm: bytes) -> str:
    """What the offline recogniser makes of it."""
    utterance = local.STT().utterance()
    await utterance.feed(pcm)
    return await utterance.finish()


def _read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (SAMPLE_RATE, 2, 1):
            sys.exit(f"{path} is not 16 kHz, 16-bit, mono")
        return file.readframes(file.getnframes())


def _write(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setframerate(SAMPLE_RATE)
        file.setsampwidth(2)
        file.setnchannels(1)
        file.writeframes(pcm)


if __name__ == "__main__":
    main(sys.argv[1:])
