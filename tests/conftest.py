"""The real control plane, once for the whole test session, and our resources in it."""

from __future__ import annotations

import gc
import signal
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml
from tests.crds import install
from tests.side_by_side import scheduler

from greenroom_local.binaries import find_installed
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CRD_FOLDER = Path(__file__).parents[1] / "crds"


def pytest_configure() -> None:
    """A shell starts its background jobs deaf to Ctrl-C; so would be the programs that tests press it for."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `-n 2`, where pytest-xdist is installed."""
    return scheduler(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_finish() -> None:
    """What is there before the first test, half a million objects of the tests themselves, no collection looks at any
    more: some tests collect several times, and look through all that is left."""
    gc.collect()
    gc.freeze()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """etcd and kube-apiserver, ready. Shared by all tests: a test that stops a server starts it again.

    It has no event loop of its own: use it in a test on any loop.
    """
    binaries = find_installed()
    assert binaries is not None, "no control-plane binaries: run `make test`, which brings them"
    directory = tmp_path_factory.mktemp("control-plane")
    async with ControlPlane(binaries, directory, unsafe_no_fsync=True) as plane:
        yield plane


@pytest_asyncio.fixture
async def namespace(control_plane: ControlPlane) -> str:
    """A new, empty namespace of the test's own, with the service account `default`."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await control_plane.ensure_namespace(name)
    return name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed_crds(control_plane: ControlPlane) -> None:
    """The CRDs of `crds/`, applied and served."""
    for path in sorted(CRD_FOLDER.glob("*.yaml")):
        await install(control_plane.admin, yaml.safe_load(path.read_text()))
