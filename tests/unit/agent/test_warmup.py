"""Loading once: by settings, None too, and with an async taking-up awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from greenroom.warmup import Warmable, WarmupCache

if TYPE_CHECKING:
    from collections.abc import Hashable


class Model(Warmable[str | None]):
    """Loads its size; counts loads."""

    loads: list[str]

    def __init__(self, size: str, loads: list[str], resource: str | None = "model") -> None:
        self.size = size
        self.loads = loads
        self.resource = resource
        self.taken: list[str | None] = []

    def warmup_key(self) -> Hashable:
        return self.size

    async def on_warmup(self) -> str | None:
        self.loads.append(self.size)
        await asyncio.sleep(0)
        return self.resource and f"{self.resource} {self.size}"

    def on_warmed_up(self, resource: str | None) -> None:
        self.taken.append(resource)


class SlowTaker(Model):
    async def on_warmed_up(self, resource: str | None) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.taken.append(resource)


async def test_components_of_equal_settings_share_and_others_do_not() -> None:
    loads: list[str] = []
    cache = WarmupCache()
    models = [Model(size, loads) for size in ("small", "large", "small")]
    await asyncio.gather(*(model.warmup(cache) for model in models))
    assert sorted(loads) == ["large", "small"]
    assert [model.taken for model in models] == [["model small"], ["model large"], ["model small"]]


async def test_two_classes_with_equal_keys_do_not_share() -> None:
    loads: list[str] = []
    cache = WarmupCache()
    await Model("small", loads).warmup(cache)
    await SlowTaker("small", loads).warmup(cache)
    assert loads == ["small", "small"]


async def test_nothing_is_a_resource_too() -> None:
    loads: list[str] = []
    cache = WarmupCache()
    models = [Model("small", loads, resource=None) for _ in range(3)]
    for model in models:
        await model.warmup(cache)
    assert loads == ["small"]
    assert [model.taken for model in models] == [[None]] * 3


async def test_an_async_taking_up_is_awaited_first_time_and_from_the_cache() -> None:
    loads: list[str] = []
    cache = WarmupCache()
    for _ in range(2):
        model = SlowTaker("small", loads)
        await model.warmup(cache)
        assert model.taken == ["model small"]


async def test_without_a_cache_each_warmup_loads() -> None:
    loads: list[str] = []
    model = Model("small", loads)
    await model.warmup()
    await model.warmup()
    assert loads == ["small", "small"]


async def test_a_load_that_failed_is_tried_again() -> None:
    class Broken(Model):
        async def on_warmup(self) -> str | None:
            self.loads.append(self.size)
            if len(self.loads) == 1:
                raise OSError("disk")
            return "at last"

    loads: list[str] = []
    cache = WarmupCache()
    model = Broken("small", loads)
    with pytest.raises(OSError, match="disk"):
        await model.warmup(cache)
    await model.warmup(cache)
    assert model.taken == ["at last"]
