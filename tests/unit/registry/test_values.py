"""Keys, records and figures: what is written is what is read, and nothing runs into anything else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.observability import AgentMetrics
from greenroom.observability.metrics import FIELD_NAMES, Counter
from greenroom.registry import SessionInfo
from greenroom.registry.keys import SESSIONS, call_folder, folders, record_key, segment
from greenroom.registry.records import decode, encode
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(["", "a/b", "*", "x" * 3000, "%2F", "=", "\ud800"])
SAMPLES = st.dictionaries(st.sampled_from(FIELD_NAMES), st.lists(st.integers(0, 10**9), min_size=1, max_size=5))
INFOS = st.builds(
    SessionInfo,
    session_id=TEXTS,
    call_id=TEXTS,
    node_id=TEXTS,
    started_at=st.floats(0, 4e9),
    metrics_updated_at=st.floats(0, 4e9),
    metrics=SAMPLES.map(lambda samples: measured(samples)),
    call_type=TEXTS,
    phase=st.sampled_from(Phase),
    created_at=st.none() | st.floats(0, 4e9),
    reason=st.none() | st.sampled_from(EndReason),
    message=TEXTS,
    ended_at=st.none() | st.floats(0, 4e9),
    answer=TEXTS,
)


def measured(samples: dict[str, list[int]]) -> AgentMetrics:
    metrics = AgentMetrics()
    for name, values in samples.items():
        metric = getattr(metrics, name)
        for value in values:
            metric.inc(value) if isinstance(metric, Counter) else metric.update(value)
    return metrics


# --- keys ---


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_two_sessions_share_a_key(call: str, session: str, other_call: str, other_session: str):
    same = (call, session) == (other_call, other_session)
    assert (record_key(call, session) == record_key(other_call, other_session)) is same


@given(TEXTS, TEXTS, TEXTS)
def test_a_key_is_in_its_own_calls_folder_alone(call: str, session: str, other: str):
    key = record_key(call, session)
    assert folders(key) == (SESSIONS, call_folder(SESSIONS, call))
    assert key.startswith(call_folder(SESSIONS, other)) is (call == other)


@given(TEXTS)
def test_a_part_of_a_key_is_short_and_plain(text: str):
    part = segment(text)
    assert len(part) <= 200
    assert part.isascii()
    assert not set(part) & set("/*?[]{}\\ \n")


def test_nobody_can_choose_an_id_that_reads_like_anothers_hash():
    long = "x" * 3000
    assert segment(long) != segment(segment(long))


def test_common_ids_stand_as_they_are():
    assert record_key("call-1", "9b2e") == "sessions/call-1/9b2e"


# --- records ---


@given(INFOS)
def test_a_record_is_read_as_it_was_written(info: SessionInfo):
    assert decode(encode(info)) == info
    assert SessionInfo.from_dict(info.to_dict()) == info


def test_a_record_names_what_is_needed_and_ignores_what_is_not_known():
    values = {"session_id": "s", "call_id": "c", "node_id": "n", "started_at": 1.0, "metrics_updated_at": 1.0}
    assert SessionInfo.from_dict({**values, "later": 1}) == SessionInfo("s", "c", "n", 1.0, 1.0)
    for name in values:
        with pytest.raises(TypeError, match=name):
            SessionInfo.from_dict({key: value for key, value in values.items() if key != name})


def test_a_record_of_plain_figures_is_read():
    values = {"session_id": "s", "call_id": "c", "node_id": "n", "started_at": 1.0, "metrics_updated_at": 1.0}
    figures = {"llm_latency_ms__avg": 80.0, "tts_latency_ms__avg": None, "llm_input_tokens__total": 3, "new": 1}
    metrics = SessionInfo.from_dict({**values, "metrics": figures}).metrics
    assert metrics.to_dict(["llm_latency_ms__avg", "tts_latency_ms__avg", "llm_input_tokens__total"]) == {
        "llm_latency_ms__avg": 80.0,
        "tts_latency_ms__avg": None,
        "llm_input_tokens__total": 3,
    }


def test_a_fresh_record_is_small():
    info = SessionInfo("s" * 36, "c" * 36, "n" * 36, 1.7e9, 1.7e9)
    assert len(encode(info)) < 400


# --- figures ---


def test_averages_keep_their_weight():
    metrics = measured({"llm_latency_ms__avg": [100] * 4})
    restored = AgentMetrics.from_dict(json.loads(json.dumps(metrics.weighted())))
    restored.llm_latency_ms__avg.update(200)
    assert restored.llm_latency_ms__avg.value() == 120


@given(SAMPLES)
def test_restored_figures_are_the_same_figures(samples: dict[str, list[int]]):
    metrics = measured(samples)
    assert AgentMetrics.from_dict(json.loads(json.dumps(metrics.weighted()))) == metrics
    assert set(metrics.weighted()) == {name for name, values in samples.items() if "avg" in name or sum(values)}


@given(SAMPLES, SAMPLES)
def test_merged_figures_are_those_of_all_samples(first: dict[str, list[int]], second: dict[str, list[int]]):
    both = {name: first.get(name, []) + second.get(name, []) for name in first | second}
    metrics, other = measured(first), measured(second)
    metrics.merge(other)
    assert metrics == measured(both)
    assert other == measured(second)


def test_a_copy_grows_apart():
    metrics = measured({"llm_latency_ms__avg": [100], "llm_input_tokens__total": [7]})
    copy = metrics.copy()
    assert copy == metrics
    copy.llm_input_tokens__total.inc()
    copy.llm_latency_ms__avg.update(1)
    assert metrics == measured({"llm_latency_ms__avg": [100], "llm_input_tokens__total": [7]})
    assert replace(SessionInfo("s", "c", "n", 1, 1), metrics=copy) != SessionInfo("s", "c", "n", 1, 1)


@pytest.mark.parametrize("wrong", [{"llm_latency_ms__avg": "fast"}, {"llm_latency_ms__avg": {"sum": 1}}])
def test_what_is_no_figure_is_refused(wrong: dict[str, object]):
    with pytest.raises((ValueError, KeyError)):
        AgentMetrics.from_dict(wrong)
