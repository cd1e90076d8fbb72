"""The client's own rules, on a server that can be made to fail: what is repeated, what never is, and until when."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.door import Door, on_fake, session
from tests.fakes.apiserver.faults import any_request, reads, refusal, writes

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Denied, NotFound, Unanswered, Withheld
from greenroom_core.kube.kinds import SESSIONS


@on_fake
async def test_write_answered_429_is_repeated_after_the_time_the_server_asked_for(door: Door) -> None:
    script = door.script()
    script.add(writes, 2, answer=refusal(429, "TooManyRequests", retry_after=1))
    begun = door.clock.boot()
    made = await door.create("s")
    assert made.metadata.name == "s"
    assert 2 * 0.75 <= door.clock.boot() - begun <= 2 * 1.25
    assert len(script.seen) == 3


@on_fake
async def test_read_answered_429_is_repeated(door: Door) -> None:
    await door.create("s")
    script = door.script()
    script.add(reads, 3, answer=refusal(429, "TooManyRequests", retry_after=1))
    assert (await door.get("s")).metadata.name == "s"
    assert len(script.seen) == 4


@on_fake
async def test_429_for_ever_ends_at_the_deadline_unanswered(door: Door) -> None:
    script = door.script()
    script.add(any_request, 1000, answer=refusal(429, "TooManyRequests", retry_after=1))
    begun = door.clock.boot()
    with pytest.raises(Unanswered, match="no answer in 15 s"):
        await door.create("s")
    assert 12 <= door.clock.boot() - begun <= 15


@on_fake
async def test_write_answered_5xx_is_not_repeated(door: Door) -> None:
    for status in (500, 502, 503, 504):
        script = door.script()
        script.add(writes, answer=refusal(status))
        with pytest.raises(Unanswered, match=str(status)):
            await door.create("s")
        assert len(script.seen) == 1


@on_fake
async def test_write_whose_reply_is_lost_is_not_repeated_though_it_was_carried_out(door: Door) -> None:
    script = door.script()
    script.add(writes, drop_reply=True)
    with pytest.raises(Unanswered):
        await door.create("s")
    assert len(script.seen) == 1
    assert (await door.get("s")).metadata.name == "s"


@on_fake
async def test_write_that_is_lost_on_its_way_is_not_repeated_since_nobody_can_tell(door: Door) -> None:
    script = door.script()
    script.add(writes, drop_request=True)
    with pytest.raises(Unanswered):
        await door.create("s")
    assert len(script.seen) == 1
    with pytest.raises(NotFound):
        await door.get("s")


@on_fake
async def test_write_that_times_out_is_unanswered_and_may_still_be_carried_out_later(door: Door) -> None:
    script = door.script()
    script.add(writes, delay_before_seconds=40)
    with pytest.raises(Unanswered, match="no answer in 15 s"):
        await door.create("s")
    with pytest.raises(NotFound):
        await door.get("s")
    await door.clock.sleep(30)
    assert (await door.get("s")).metadata.name == "s"
    assert len([request for request in script.seen if writes(request)]) == 1


@on_fake
async def test_write_that_never_left_is_repeated(door: Door) -> None:
    script = door.script()
    script.add(writes, 3, never_sent=True)
    assert (await door.create("s")).metadata.name == "s"
    assert len(script.seen) == 4


@on_fake
async def test_write_to_a_server_that_is_down_waits_for_it_until_the_deadline(door: Door) -> None:
    assert door.fake is not None
    door.fake.stop()
    task = asyncio.create_task(door.create("s"))
    await door.clock.sleep(5)
    door.fake.start()
    assert (await task).metadata.name == "s"
    door.fake.stop()
    with pytest.raises(Unanswered):
        await door.create("t")


@on_fake
async def test_read_is_repeated_after_5xx_and_lost_replies(door: Door) -> None:
    await door.create("s")
    script = door.script()
    script.add(reads, answer=refusal(500))
    script.add(reads, answer=refusal(503))
    script.add(reads, drop_request=True)
    script.add(reads, drop_reply=True)
    script.add(reads, never_sent=True)
    assert (await door.get("s")).metadata.name == "s"
    assert (script.used_up, len(script.seen)) == (True, 6)


@on_fake
async def test_refusal_is_not_repeated(door: Door) -> None:
    script = door.script()
    script.add(reads, answer=refusal(403, "Forbidden"))
    with pytest.raises(Denied):
        await door.get("s")
    script.add(reads, answer=refusal(401, "Unauthorized"))
    with pytest.raises(Denied):
        await door.client.list(SESSIONS, Selection(door.namespace))
    assert len(script.seen) == 2


@on_fake
async def test_write_without_permit_is_withheld_and_nothing_is_sent(door: Door) -> None:
    script = door.script()
    client = door.new_client(permit=lambda: False)
    with pytest.raises(Withheld):
        await client.create(SESSIONS, door.namespace, session("s"))
    assert script.seen == []
    assert (await client.list(SESSIONS, Selection(door.namespace))).items == []


@on_fake
async def test_permit_is_asked_again_at_each_send(door: Door) -> None:
    script = door.script()
    script.add(writes, 10, answer=refusal(429, "TooManyRequests", retry_after=1))
    until = door.clock.boot() + 2.0
    client = door.new_client(permit=lambda: door.clock.boot() < until)
    with pytest.raises(Withheld):
        await client.create(SESSIONS, door.namespace, session("s"))
    assert 2 <= len(script.seen) <= 3


@on_fake
async def test_permit_is_asked_at_the_send_and_not_while_waiting_for_a_slot(door: Door) -> None:
    script = door.script()
    script.add(writes, delay_before_seconds=3)
    until = door.clock.boot() + 2.0
    client = door.new_client(permit=lambda: door.clock.boot() < until, requests_limit=1)
    first = asyncio.create_task(client.create(SESSIONS, door.namespace, session("first")))
    await door.clock.sleep(0.1)
    with pytest.raises(Withheld):
        await client.create(SESSIONS, door.namespace, session("second"))
    assert (await first).metadata.name == "first"
    assert len(script.seen) == 1


@on_fake
async def test_requests_under_way_are_bounded(door: Door) -> None:
    script = door.script()
    script.add(writes, 6, delay_before_seconds=1)
    client = door.new_client(requests_limit=2)
    begun = door.clock.boot()
    await asyncio.gather(*(client.create(SESSIONS, door.namespace, session(f"s-{n}")) for n in range(6)))
    assert door.clock.boot() - begun == pytest.approx(3.0)


@on_fake
async def test_every_answer_is_told_with_verb_resource_status_and_time(door: Door) -> None:
    told: list[tuple[str, str, int, float]] = []
    client = door.new_client(on_answer=lambda *answer: told.append(answer))
    script = door.script()
    script.add(writes, delay_after_seconds=0.5)
    script.add(writes, answer=refusal(429))
    script.add(writes, drop_reply=True)
    await client.create(SESSIONS, door.namespace, session("s"))
    with pytest.raises(Unanswered):
        await client.merge_patch(SESSIONS, door.namespace, "s", {"status": {"epoch": 1}}, subresource="status")
    await client.list(SESSIONS, Selection(door.namespace))
    assert [(verb, plural, status) for verb, plural, status, _ in told] == [
        ("POST", "agentsessions", 201),
        ("PATCH", "agentsessions", 429),
        ("PATCH", "agentsessions", 0),
        ("LIST", "agentsessions", 200),
    ]
    assert told[0][3] == pytest.approx(0.5)
