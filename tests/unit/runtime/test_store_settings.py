"""The store of checkpoints that a pod's variables name."""

from __future__ import annotations

import pytest
from tests.fakes.checkpoints import MemoryCheckpoints

from greenroom import AgentLauncher, RedisCheckpoints
from greenroom.runtime.main import use_store
from greenroom.runtime.settings import StoreSettings
from greenroom_core.settings import BadSetting


async def nothing(**_: object) -> None: ...


def launcher(store: MemoryCheckpoints | None = None) -> AgentLauncher:
    return AgentLauncher(nothing, nothing, checkpoints=store)  # type: ignore[arg-type]


def test_the_variable_s_store_is_used_where_the_agent_file_has_none() -> None:
    without = launcher()
    use_store(without, StoreSettings("redis://store:6379/0"))
    assert without.checkpoints is not None
    assert isinstance(without.checkpoints.store, RedisCheckpoints)


def test_without_the_variable_there_is_none() -> None:
    without = launcher()
    use_store(without, StoreSettings())
    assert without.checkpoints is None


def test_the_agent_file_s_own_store_goes_before() -> None:
    own = MemoryCheckpoints()
    file = launcher(own)
    use_store(file, StoreSettings("redis://store:6379/0"))
    assert file.checkpoints is not None
    assert file.checkpoints.store is own


def test_an_address_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(BadSetting, match=r"^GREENROOM_CHECKPOINTS_URL: Redis URL must specify") as refusal:
        use_store(launcher(), StoreSettings("http://:secret@store"))
    assert "secret" not in str(refusal.value)
