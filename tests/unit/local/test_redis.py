"""Where a Redis server for the tests comes from: never from a network in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import NotFound, find_installed_redis, find_redis

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, name: str, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A machine with nothing on its PATH, and no network."""
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "GREENROOM_OFFLINE": "1"}


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_one_on_the_path_comes_first(machine: dict[str, str], tmp_path: Path, name: str):
    program(tmp_path / "cache/greenroom/redis", "redis-server", "7.0.15")
    wanted = program(tmp_path / "bin", name, "8.1.0")
    assert find_redis(machine) == wanted


def test_one_that_is_too_old_is_passed_over(machine: dict[str, str], tmp_path: Path):
    program(tmp_path / "bin", "redis-server", "5.0.7")
    assert find_installed_redis(machine) is None
    wanted = program(tmp_path / "cache/greenroom/redis", "redis-server", "6.2.14")
    assert find_installed_redis(machine) == wanted


def test_without_any_the_way_out_is_named(machine: dict[str, str], tmp_path: Path):
    with pytest.raises(NotFound, match=r"put a redis-server or valkey-server, 6\.2 or newer, on the PATH or into"):
        find_redis(machine)
