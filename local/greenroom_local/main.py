"""The commands `up`, `demo` and `control-plane`. Arguments in, an exit status out; the work is elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_core import logs
from greenroom_local.admin import AdminError
from greenroom_local.binaries import NotFound, find_binaries
from greenroom_local.control_plane import ControlPlane, ControlPlaneError
from greenroom_local.demo import DemoFailed, demo
from greenroom_local.lock import Held, locked
from greenroom_local.signals import until_asked_to_end
from greenroom_local.stack import Plan, StackError
from greenroom_local.up import up

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

_AGENT = Path(__file__).parents[2] / "examples" / "voice_agent.py"
_EXPECTED = (ControlPlaneError, NotFound, StackError, DemoFailed, AdminError)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; leaves by SystemExit with 0 only if all went well."""
    options = _parser().parse_args(arguments)
    logs.set_up("WARNING", "text")
    # A watch that breaks because the servers end first is no news to anybody here.
    logging.getLogger("greenroom.core").setLevel(logging.ERROR)
    try:
        with _alone(options.dir):
            asyncio.run(_work(options))
    except KeyboardInterrupt:
        sys.exit(130)
    except _EXPECTED as problem:
        sys.exit(f"{options.command}: {problem}")
    except BaseExceptionGroup as group:
        expected, other = group.split(_EXPECTED)
        if other is not None or expected is None:
            raise
        sys.exit(f"{options.command}: {_first(expected)}")
    sys.exit(0)


def _work(options: argparse.Namespace) -> Coroutine[object, None, None]:
    match options.command:
        case "up":
            return up(_plan(options), _say)
        case "demo":
            return demo(_plan(options), options.answer, _say)
        case _:
            return _control_plane(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="greenroom", description="Greenroom on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    everything = _common()
    everything.add_argument("--agent", type=Path, default=_AGENT, help="the agent file (default: the voice example)")
    everything.add_argument("--port", type=_between(1, 65535), default=8000, help="port of the API (default: 8000)")
    everything.add_argument("--pods", type=_between(0, 100), default=1, help="runtime pods (default: 1)")
    everything.add_argument("--slots", type=_between(1, 1000), default=10, help="sessions per pod (default: 10)")
    commands.add_parser("up", parents=[everything], help="everything, until Ctrl-C")
    showing = commands.add_parser("demo", parents=[everything], help="everything, one spoken session, then the end")
    showing.add_argument("--answer", type=Path, default=Path("demo/answer.wav"), help="where the spoken answer goes")
    plane = commands.add_parser("control-plane", parents=[_common()], help="etcd and kube-apiserver, until Ctrl-C")
    plane.add_argument("--unsafe-no-fsync", action="store_true", help="do not wait for the disk")
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dir", type=Path, default=Path(".greenroom"), help="where data, logs and the kubeconfig go")
    return common


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        binaries=find_binaries(),
        directory=options.dir.resolve(),
        agent=options.agent,
        port=options.port,
        pods=options.pods,
        slots=options.slots,
    )


async def _control_plane(options: argparse.Namespace) -> None:
    plane = ControlPlane(find_binaries(), options.dir, unsafe_no_fsync=options.unsafe_no_fsync)

    async def stay_up() -> None:
        async with plane:
            _say(str(plane.kubeconfig))
            await asyncio.Event().wait()

    await until_asked_to_end(stay_up(), lambda _: None)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    try:
        with locked(directory / "lock"):
            yield
    except Held as holder:
        raise StackError(
            f"another Greenroom is running in {directory.resolve()} (process {holder}): end it first, "
            "or run this one in another checkout"
        ) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _say(line: str) -> None:
    print(line, flush=True)
