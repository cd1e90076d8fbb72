"""The store keeps the newest of what it is told, in whatever order it is told."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from greenroom_core.kube import store as store_module
from greenroom_core.kube.kinds import Loose
from greenroom_core.kube.store import Store
from greenroom_core.model.meta import ObjectMeta


def thing(uid: str, version: int, name: str = "") -> Loose:
    return Loose(metadata=ObjectMeta(name=name or uid, namespace="n", uid=uid, resource_version=str(version)))


@dataclass(frozen=True)
class Fact:
    """One thing that happened: `version` of `uid` was written, or `uid` was gone at `version`."""

    uid: str
    version: int
    gone: bool = False


@st.composite
def told(draw: st.DrawFn) -> tuple[list[Fact], list[Fact]]:
    """What happened, and the order in which a store hears of it: everything at least once, some of it often."""
    history: list[Fact] = []
    version = 0
    for uid in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=12)):
        if any(fact.uid == uid and fact.gone for fact in history):
            continue
        version += draw(st.integers(1, 3))
        history.append(Fact(uid, version, gone=draw(st.booleans()) and any(f.uid == uid for f in history)))
    again = draw(st.lists(st.sampled_from(history), max_size=6))
    return history, draw(st.permutations(history + again))


@given(told())
def test_every_order_of_hearing_ends_at_the_newest(case: tuple[list[Fact], list[Fact]]) -> None:
    history, heard = case
    store: Store[Loose] = Store()
    for fact in heard:
        if fact.gone:
            store.drop(fact.uid, fact.version)
        else:
            store.put(thing(fact.uid, fact.version))
    last = {fact.uid: fact for fact in history}
    wanted = {fact.uid: fact.version for fact in last.values() if not fact.gone}
    assert {item.metadata.uid: item.metadata.version for item in store} == wanted
    assert len(store) == len(wanted)
    for uid in wanted:
        assert store.named("n", uid) == store.get(uid)


@given(told())
def test_what_a_store_takes_is_always_newer_than_what_it_had(case: tuple[list[Fact], list[Fact]]) -> None:
    _, heard = case
    store: Store[Loose] = Store()
    for fact in heard:
        before = store.get(fact.uid)
        if fact.gone:
            dropped = store.drop(fact.uid, fact.version)
            assert dropped is None or (dropped == before and dropped.metadata.version <= fact.version)
        else:
            taken, old = store.put(thing(fact.uid, fact.version))
            assert old == before
            assert taken == (store.get(fact.uid) != before)
            assert not taken or old is None or old.metadata.version < fact.version


def test_name_that_comes_back_belongs_to_the_new_uid_also_when_the_old_end_comes_late() -> None:
    store: Store[Loose] = Store()
    store.put(thing("old", 1, "s"))
    store.put(thing("new", 3, "s"))
    assert store.drop("old", 2) == thing("old", 1, "s")
    assert store.named("n", "s") == thing("new", 3, "s")
    store.drop("new", 4)
    assert store.named("n", "s") is None


def test_gone_object_does_not_come_back_as_an_older_version_but_may_as_a_newer_one() -> None:
    store: Store[Loose] = Store()
    store.put(thing("a", 5))
    store.drop("a", 7)
    assert store.put(thing("a", 6)) == (False, None)
    assert store.put(thing("a", 7)) == (False, None)
    assert store.put(thing("a", 8)) == (True, None)


def test_object_never_heard_of_is_remembered_as_gone() -> None:
    store: Store[Loose] = Store()
    assert store.drop("a", 7) is None
    assert store.put(thing("a", 3)) == (False, None)


def test_older_end_of_a_newer_object_is_passed_over() -> None:
    store: Store[Loose] = Store()
    store.put(thing("a", 9))
    assert store.drop("a", 8) is None
    assert store.get("a") == thing("a", 9)


def test_missing_from_a_list_is_what_is_not_in_it_and_not_newer_than_it() -> None:
    store: Store[Loose] = Store()
    for uid, version in (("listed", 3), ("missing", 4), ("newer", 12)):
        store.put(thing(uid, version))
    assert store.missing_from([thing("listed", 3)], 10) == [thing("missing", 4)]


def test_memory_of_the_gone_is_bounded() -> None:
    limit = store_module.TOMBSTONES_LIMIT
    store: Store[Loose] = Store()
    for number in range(limit + 1):
        store.drop(str(number), 5)
    assert store.put(thing("0", 4))[0]
    assert not store.put(thing(str(limit), 4))[0]
