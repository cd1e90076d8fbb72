"""What holds of every store. A class of tests for each store takes these in and gives a fixture `store`."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.registry.waiting import until_not

from greenroom.registry import Entry, SessionKVStore

LONG = 60.0
SHORT = 0.05
WILD = ["*", "a*", "[ab]", "?", "a\\*", "a b", "ü/ß", "{x}", "100%", "\n"]


class StoreContract:
    async def test_what_was_set_is_read_until_deleted(self, store: SessionKVStore):
        await store.set("a/b", b"\x00value\xff", LONG)
        assert await store.get("a/b") == b"\x00value\xff"
        await store.delete(["a/b", "never/there"])
        assert await store.get("a/b") is None

    async def test_only_if_exists_writes_over_what_is_there_alone(self, store: SessionKVStore):
        await store.set("a", b"1", LONG, only_if_exists=True)
        assert await store.get("a") is None
        await store.set("a", b"1", LONG)
        await store.set("a", b"2", LONG, only_if_exists=True)
        assert await store.get("a") == b"2"

    async def test_several_at_once_in_order(self, store: SessionKVStore):
        await store.mset([("a/1", b"1", LONG), ("a/2", b"2", LONG)])
        assert await store.mget(["a/2", "nothing", "a/1"]) == [b"2", None, b"1"]
        assert await store.mget([]) == []
        await store.mset([])
        await store.delete([])

    async def test_an_empty_value_is_a_value(self, store: SessionKVStore):
        await store.set("flag", b"", LONG)
        assert await store.get("flag") == b""

    async def test_values_expire(self, store: SessionKVStore):
        await store.set("folder/a", b"1", SHORT)
        await until_not(lambda: store.get("folder/a"))
        assert await store.mget(["folder/a"]) == [None]
        assert await store.keys("folder/") == []
        assert await store.list_folder("folder/") == []
        await store.set("folder/a", b"1", LONG, only_if_exists=True)
        assert await store.get("folder/a") is None

    async def test_expire_gives_a_new_lease_to_what_is_there(self, store: SessionKVStore):
        await store.mset([("long", b"1", SHORT), ("short", b"2", LONG)])
        await store.expire("long", "nothing", ttl=LONG)
        await store.expire("short", ttl=SHORT)
        await until_not(lambda: store.get("short"))
        assert await store.get("long") == b"1"
        assert await store.get("nothing") is None

    @pytest.mark.parametrize("name", WILD)
    async def test_a_prefix_is_taken_to_the_letter(self, store: SessionKVStore, name: str):
        await store.mset([(f"{name}/1", b"", LONG), ("ab/2", b"", LONG), ("a/3", b"", LONG)])
        assert await store.keys(f"{name}/") == [f"{name}/1"]
        assert sorted(await store.keys("a")) == sorted(
            ["a/3", "ab/2", *([f"{name}/1"] if name.startswith("a") else [])]
        )

    async def test_put_within_writes_and_drops(self, store: SessionKVStore):
        await store.set("a/old", b"1", LONG)
        full = await store.put_within([Entry("a/new", b"2", LONG), Entry("b/c/d", b"3", LONG)], drop=["a/old"])
        assert full is None
        assert await store.mget(["a/old", "a/new", "b/c/d"]) == [None, b"2", b"3"]
        assert await store.list_folder("a/") == ["a/new"]
        assert await store.list_folder("b/") == await store.list_folder("b/c/") == ["b/c/d"]
        assert await store.put_within([]) is None

    async def test_put_within_does_nothing_at_all_over_a_limit(self, store: SessionKVStore):
        limits = {"s/": 3, "s/a/": 1}
        assert await store.put_within([Entry("s/a/1", b"1", LONG)], limits=limits) is None
        refused = [Entry("s/a/2", b"2", LONG), Entry("elsewhere", b"", LONG)]
        assert await store.put_within(refused, drop=["s/a/1"], limits=limits) == "s/a/"
        assert await store.mget(["s/a/1", "s/a/2", "elsewhere"]) == [b"1", None, None]
        assert await store.put_within([Entry("s/b/1", b"", LONG)], limits={"s/": 2}) is None
        assert await store.put_within([Entry("s/c/1", b"", LONG)], limits={"s/": 2, "s/c/": 1}) == "s/"
        assert await store.list_folder("s/c/") == []

    async def test_who_has_a_place_may_take_it_again(self, store: SessionKVStore):
        for value in (b"1", b"2"):
            assert await store.put_within([Entry("s/a", value, LONG)], limits={"s/": 1}) is None
        assert await store.get("s/a") == b"2"

    async def test_a_place_is_free_when_dropped_or_expired(self, store: SessionKVStore):
        await store.put_within([Entry("s/a", b"", LONG)], limits={"s/": 1})
        await store.put_within((), drop=["s/a"])
        assert await store.put_within([Entry("s/b", b"", SHORT)], limits={"s/": 1}) is None
        await until_not(lambda: store.put_within([Entry("s/c", b"", LONG)], limits={"s/": 1}))
        assert await store.list_folder("s/") == ["s/c"]

    async def test_a_race_never_passes_a_limit(self, store: SessionKVStore):
        for turn in range(10):
            entries = [Entry(f"race/{turn}/{number}", b"", LONG) for number in range(20)]
            limits = {f"race/{turn}/": 3}
            fulls = await asyncio.gather(*(store.put_within([entry], limits=limits) for entry in entries))
            assert fulls.count(None) == len(await store.list_folder(f"race/{turn}/")) == 3

    async def test_renew_all_tells_what_is_gone(self, store: SessionKVStore):
        await store.put_within([Entry("a/short", b"1", SHORT), Entry("a/long", b"2", LONG)])
        assert await store.renew_all([("a/short", LONG), ("a/gone", LONG), ("a/long", SHORT)]) == ["a/gone"]
        await until_not(lambda: store.get("a/long"))
        assert await store.mget(["a/short", "a/gone"]) == [b"1", None]
        assert await store.list_folder("a/") == ["a/short"]
        assert await store.renew_all([]) == []

    async def test_hundreds_of_operations_at_once(self, store: SessionKVStore):
        await asyncio.gather(*(store.set(f"many/{number}", b"%d" % number, LONG) for number in range(300)))
        values = await asyncio.gather(*(store.get(f"many/{number}") for number in range(300)))
        assert values == [b"%d" % number for number in range(300)]
        assert len(await store.keys("many/")) == 300
        await asyncio.gather(*(store.delete([f"many/{number}"]) for number in range(300)))
        assert await store.keys("many/") == await store.list_folder("many/") == []
