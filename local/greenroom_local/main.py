"""The commands: ``control-plane``. Arguments in, an exit status out; the work is elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.binaries import NotFound, find_binaries
from greenroom_local.control_plane import ControlPlane, ControlPlaneError
from greenroom_local.signals import until_asked_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 means that all went well."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_control_plane(options))
    except (ControlPlaneError, NotFound) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="greenroom local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    plane = commands.add_parser("control-plane", help="etcd and kube-apiserver alone, until Ctrl-C")
    plane.add_argument("--dir", type=Path, default=Path(".greenroom"), help="where data and kubeconfig go")
    plane.add_argument("--unsafe-no-fsync", action="store_true", help="do not wait for the disk")
    return parser


async def _control_plane(options: argparse.Namespace) -> int:
    async with (
        until_asked_to_end() as end,
        ControlPlane(find_binaries(), options.dir, unsafe_no_fsync=options.unsafe_no_fsync) as plane,
    ):
        print(plane.kubeconfig, flush=True)
        await end.wait()
    return 0
