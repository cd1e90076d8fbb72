"""The ledger against the simplest model that could be right, and planning against the promises, by hypothesis."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.worlds import KEY, ago, fleet, pod, session, snapshot

from greenroom_core.model.phases import Phase
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import Admit, Bind, CallKey
from greenroom_operator.state.deadlines import Deadlines
from greenroom_operator.state.ledger import Ledger

NAMES = [f"s{number}" for number in range(5)]
PODS = ["p1", "p2"]
steps = st.lists(
    st.tuples(
        st.sampled_from(["bound", "unbound", "ended", "admit", "assume", "settle-unbound", "settle-bound", "remove"]),
        st.sampled_from(NAMES),
        st.sampled_from(PODS),
    ),
    max_size=60,
)


def bound_to(name: str, pod_name: str):  # type: ignore[no-untyped-def]
    return session(name, call=f"call-{name[-1]}", phase=Phase.RUNNING, pod_uid=f"uid-{pod_name}", attempt=1)


def unbound(name: str):  # type: ignore[no-untyped-def]
    return session(name, call=f"call-{name[-1]}")


@given(steps)
def test_counts_what_a_plain_dictionary_would_count(story: list[tuple[str, str, str]]) -> None:
    ledger = Ledger()
    model: dict[str, tuple[str | None, bool]] = {}
    for step, name, pod_name in story:
        uid, pod_uid = f"uid-{name}", f"uid-{pod_name}"
        match step:
            case "bound":
                ledger.observe(bound_to(name, pod_name))
                model[uid] = (pod_uid, False)
            case "unbound":
                ledger.observe(unbound(name))
                if uid in model and not model[uid][1]:
                    model[uid] = (None, False)
            case "ended":
                ledger.observe(session(name, phase=Phase.CLOSED))
                model.pop(uid, None)
            case "admit":
                ledger.admit(unbound(name))
                model.setdefault(uid, (None, False))
            case "assume":
                ledger.assume(unbound(name), pod_uid)
                model[uid] = (pod_uid, True)
            case "settle-unbound":
                ledger.settle(unbound(name))
                if uid in model:
                    model[uid] = (None, False)
            case "settle-bound":
                ledger.settle(bound_to(name, pod_name))
                model[uid] = (pod_uid, False)
            case "remove":
                ledger.remove(uid)
                model.pop(uid, None)
        on_pods = Counter(held for held, _ in model.values())
        assert len(ledger) == ledger.in_runtime(KEY) == len(model)
        assert [ledger.on_pod(f"uid-{each}") for each in PODS] == [on_pods[f"uid-{each}"] for each in PODS]
        for each in NAMES:
            assert ledger.admitted(f"uid-{each}") is (f"uid-{each}" in model)
            expected = 1 if f"uid-{each}" in model else 0
            assert ledger.in_call(CallKey(KEY, f"call-{each[-1]}")) == expected


@given(
    slots=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    held=st.lists(st.integers(0, 3), max_size=10),
    waiting=st.integers(0, 20),
    per_call=st.none() | st.integers(1, 3),
    concurrent=st.none() | st.integers(1, 12),
    calls=st.integers(1, 4),
)
def test_a_burst_fills_every_slot_and_no_more_and_keeps_both_limits(
    slots: list[int], held: list[int], waiting: int, per_call: int | None, concurrent: int | None, calls: int
) -> None:
    pods = [pod(f"p{number}", slots=count) for number, count in enumerate(slots)]
    taken: Counter[str] = Counter()
    running = []
    for number, index in enumerate(held):
        uid = f"uid-p{index % len(pods)}"
        if taken[uid] < slots[index % len(pods)]:
            taken[uid] += 1
            running.append(session(f"r{number}", call=f"r{number}", phase=Phase.RUNNING, pod_uid=uid))
    new = [session(f"w{number}", call=f"c{number % calls}", age=number) for number in range(waiting)]
    world = snapshot([*running, *new], pods, of=fleet(per_call=per_call, concurrent=concurrent))

    decided = plan(world).actions

    given_out = Counter(a.pod.metadata.uid for a in decided if isinstance(a, Bind))
    admitted = [a.session for a in decided if isinstance(a, Admit)]
    for item, count in zip(pods, slots, strict=True):
        assert taken[item.metadata.uid] + given_out[item.metadata.uid] <= count
    assert sum(given_out.values()) == min(len(admitted), sum(slots) - len(running))
    if concurrent is not None:
        assert len(admitted) <= max(concurrent - len(running), 0)
    if per_call is not None:
        assert all(count <= per_call for count in Counter(s.spec.call_id for s in admitted).values())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=30), st.integers(0, 20))
def test_the_last_deadline_set_holds(story: list[tuple[str, int]], now: int) -> None:
    deadlines, model = Deadlines(), {}
    for key, at in story:
        deadlines.set(key, ago(-at))
        model[key] = at
    due = {key for key, at in model.items() if at <= now}
    assert deadlines.next_at() == (ago(-min(model.values())) if model else None)
    assert sorted(deadlines.due(ago(-now))) == sorted(due)
    rest = [at for key, at in model.items() if key not in due]
    assert deadlines.next_at() == (ago(-min(rest)) if rest else None)
