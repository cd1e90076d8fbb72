"""Users and their sessions; what a failed request leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

pytest.importorskip("getstream_rtc", reason="the test tools of the group `vendors` are not installed")

from getstream.exceptions import StreamApiException, StreamRateLimitException, StreamTransportException

from greenroom.agent.participants import Participant
from greenroom.plugins.getstream.retries import pause_before_retry, reason
from greenroom.plugins.getstream.roster import Roster


@dataclass
class Attendee:
    user_id: str
    session_id: str
    name: str = ""


ALICE = Participant("alice", "Alice")
DESK = Attendee("alice", "desk", "Alice")
PHONE = Attendee("alice", "phone", "Alice")
AGENT = Attendee("agent", "own")


def test_a_user_comes_with_the_first_session_and_goes_with_the_last() -> None:
    roster = Roster("agent")
    assert roster.entered(DESK) == ALICE
    assert roster.entered(DESK) is None
    assert roster.entered(PHONE) is None
    assert roster.left("desk") is None
    assert roster.left("desk") is None
    assert roster.left("phone") == ALICE


def test_the_agents_own_user_is_nobody() -> None:
    roster = Roster("agent")
    assert roster.entered(AGENT) is None
    assert roster.left("own") is None
    assert roster.speaker("own") is None


def test_of_a_users_sessions_the_oldest_is_heard() -> None:
    roster = Roster("agent")
    roster.entered(DESK)
    roster.entered(PHONE)
    assert roster.speaker("desk") == ALICE
    assert roster.speaker("phone") is None
    roster.left("desk")
    assert roster.speaker("phone") == ALICE
    assert roster.speaker("unknown") is None


def test_a_whole_list_says_who_is_new_and_who_is_gone() -> None:
    roster = Roster("agent")
    bob = Participant("bob", "Bob")
    assert roster.replaced([AGENT, DESK]) == ([ALICE], [])
    assert roster.replaced([PHONE, Attendee("bob", "b", "Bob")]) == ([bob], [])
    assert roster.replaced([AGENT]) == ([], [ALICE, bob])


@pytest.mark.parametrize(
    ("error", "tries_made", "pause"),
    [
        (StreamApiException(status_code=400, code=4, message="bad"), 1, None),
        (StreamApiException(status_code=401, code=5, message="bad"), 1, None),
        (StreamApiException(status_code=503, message="later"), 1, 0.2),
        (StreamApiException(status_code=503, message="later"), 3, 0.8),
        (StreamApiException(status_code=200, message="rubbish"), 1, 0.2),
        (StreamTransportException("connection_reset"), 2, 0.4),
        (TimeoutError(), 9, 5.0),
        (KeyError("code"), 1, 0.2),
        (StreamRateLimitException(status_code=429, retry_after=timedelta(seconds=3)), 1, 3.0),
        (StreamRateLimitException(status_code=429, retry_after=timedelta(seconds=60)), 1, None),
        (StreamRateLimitException(status_code=429), 1, 0.2),
    ],
)
def test_which_failures_are_worth_another_try(error: Exception, tries_made: int, pause: float | None) -> None:
    assert pause_before_retry(error, tries_made) == pause


def test_reasons_say_the_way_out() -> None:
    assert "check STREAM_API_KEY" in reason(StreamApiException(status_code=401, code=2, message="no such key"))
    assert "check" not in reason(StreamApiException(status_code=403, code=17, message="not allowed"))
    assert reason(StreamTransportException("dns_failure")) == "no connection (dns_failure)"
    assert reason(TimeoutError()) == "no answer in time"
    assert reason(KeyError("code")) == "an answer that cannot be read (KeyError: 'code')"
