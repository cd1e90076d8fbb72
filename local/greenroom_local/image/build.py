"""One image, from the checkout to an archive that a cluster's node or `docker load` takes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.binaries.cache import cache_root
from greenroom_local.binaries.progress import duration, megabytes
from greenroom_local.image import docker, trust
from greenroom_local.image.buildah import Buildah
from greenroom_local.image.commands import Log, answers
from greenroom_local.image.docker import Docker
from greenroom_local.image.inputs import Receipt, digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CHECKOUT = Path(__file__).parents[3]
ARCHIVE = CHECKOUT / "dist" / "greenroom-image.tar"


async def build(name: str, archive: Path, say: Callable[[str], None], checkout: Path = CHECKOUT) -> None:
    """Write image `name` to `archive` (docker-archive). One that was made of the same files is kept.

    Takes root, or a Docker that answers. Raises Unbuildable.
    """
    async with _alone(say):
        receipt = Receipt(name, digest(checkout))
        if receipt.is_of(archive):
            say(f"{archive} is {name} as it stands")
            return
        started = time.monotonic()
        builder = await _builder(_log(archive))
        await builder.prepare(say)
        say(f"building {name}")
        with trust.lent(await _pip_settings()) as secrets:
            await builder.build(name, checkout, secrets)
        await _save(builder, name, archive)
        receipt.write(archive)
        say(f"{name}: {_size(archive)}, after {duration(time.monotonic() - started)}")


async def prepare(say: Callable[[str], None], archive: Path = ARCHIVE) -> None:
    """What `build` needs and can be made long before it."""
    async with _alone(say):
        await (await _builder(_log(archive))).prepare(say)


def _size(archive: Path) -> str:
    return f"{archive}, {megabytes(archive.stat().st_size)}"


async def _save(builder: Buildah | Docker, name: str, archive: Path) -> None:
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    await builder.save(name, part)
    part.replace(archive)


def _log(archive: Path) -> Log:
    log = Log(archive.with_suffix(".log"))
    log.file.unlink(missing_ok=True)
    return log


async def _builder(log: Log) -> Buildah | Docker:
    return Docker(log) if await docker.usable() else Buildah(cache_root(os.environ) / "images", log)


async def _pip_settings() -> str:
    """What pip here is told; where there is no pip, what the variables tell it."""
    listed = await answers(sys.executable, "-m", "pip", "config", "list")
    if listed is not None:
        return listed
    told = {name.removeprefix("PIP_"): value for name, value in os.environ.items() if name.startswith("PIP_")}
    return "\n".join(f":env:.{name.lower().replace('_', '-')}={value!r}" for name, value in told.items())


@contextlib.asynccontextmanager
async def _alone(say: Callable[[str], None]) -> AsyncIterator[None]:
    """One build of this user at a time: a second one waits, and then mostly finds its image made."""
    folder = cache_root(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "image.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another build is at work: waiting for it")
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
