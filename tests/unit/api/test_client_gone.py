"""A client that goes away, and a process that is told to: who gets the session then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from tests.unit.api.rig import creates, rig, virtual

if TYPE_CHECKING:
    from tests.unit.api.rig import Rig


class Client:
    """A raw ASGI client that can hang up."""

    def __init__(
        self,
        api: Rig,
        call_id: str,
        key: str | None = None,
        prefer: str = "",
        *,
        method: str = "POST",
        tail: str = "",
        query: str = "",
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self._gone = asyncio.Event()
        self._asked = False
        headers = [(b"idempotency-key", key.encode())] if key else []
        headers += [(b"prefer", prefer.encode())] if prefer else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/calls/{call_id}/sessions{tail}",
            "raw_path": f"/calls/{call_id}/sessions{tail}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "server": ("api", 80),
            "client": ("client", 1),
        }
        self.request = asyncio.get_running_loop().create_task(api.app(scope, self._receive, self._send))

    def hang_up(self) -> None:
        self._gone.set()

    @property
    def status(self) -> int | None:
        return next((m["status"] for m in self.sent if m["type"] == "http.response.start"), None)

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


@virtual
async def test_a_waiting_session_is_withdrawn() -> None:
    async with rig() as api:
        client = Client(api, "room")
        await api.operator.session_of("room")
        client.hang_up()
        await client.request
        await api.until(lambda: not api.objects(), seconds=5)
        assert client.status != 201


@virtual
async def test_gone_while_the_create_is_on_its_way() -> None:
    async with rig() as api:
        api.faults.add(creates, delay_before_seconds=2.0)
        client = Client(api, "room")
        await api.until(lambda: api.sent("POST") == 1)
        client.hang_up()
        await client.request
        assert not api.objects()
        session = await api.operator.session_of("room")
        await api.until(lambda: not api.objects(), seconds=5)
        assert session.status.pod_uid is None


@virtual
async def test_gone_while_a_lost_create_is_repeated() -> None:
    async with rig() as api:
        api.faults.add(creates, drop_reply=True, delay_after_seconds=1.0)
        client = Client(api, "room")
        await api.operator.session_of("room")
        client.hang_up()
        await client.request
        await api.until(lambda: not api.objects(), seconds=5)


@virtual
async def test_a_bound_session_is_withdrawn_too_and_leaves_the_call_in_good_order() -> None:
    async with rig() as api:
        client = Client(api, "room")
        bound = await api.operator.bind(await api.operator.session_of("room"))
        client.hang_up()
        await client.request
        deleted = await api.operator.seen(lambda session: session.deleting)
        assert deleted.metadata.uid == bound.metadata.uid
        assert deleted.metadata.finalizers, "the object stays until the pod has said goodbye"
        await api.operator.end(deleted, "Deleted")


@virtual
async def test_a_bind_in_the_same_moment_does_not_save_it() -> None:
    async with rig() as api:
        api.faults.lag_seconds = 0.5
        client = Client(api, "room")
        session = await api.operator.session_of("room")
        await api.operator.run_at_once(session)
        client.hang_up()
        await client.request
        await api.operator.seen(lambda session: session.deleting)


@virtual
async def test_gone_after_the_answer_changes_nothing() -> None:
    async with rig() as api:
        client = Client(api, "room")
        await api.operator.run_at_once(await api.operator.session_of("room"))
        await client.request
        client.hang_up()
        await api.clock.sleep(60)
        assert client.status == 201
        assert api.sent("DELETE") == 0


@virtual
async def test_with_a_key_the_session_stays_for_the_client_to_come_back() -> None:
    async with rig() as api:
        client = Client(api, "room", key="k")
        session = await api.operator.session_of("room")
        client.hang_up()
        await client.request
        await api.operator.run_at_once(session)
        again = await api.post("room", key="k")
        assert (again.status_code, again.json()["session_id"]) == (201, session.metadata.name)
        assert api.sent("DELETE") == 0


@virtual
async def test_a_cancelled_request_withdraws_like_one_whose_client_went() -> None:
    async with rig() as api:
        client = Client(api, "room")
        await api.operator.session_of("room")
        client.request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await client.request
        await api.until(lambda: not api.objects(), seconds=5)


@virtual
async def test_leaving_answers_those_who_wait_and_withdraws() -> None:
    async with rig() as api:
        waiting = [api.post("room"), api.post("hall", key="k")]
        await api.operator.session_of("room")
        await api.operator.session_of("hall")
        begun = api.clock.boot()
        api.backend.leave()
        for posting in waiting:
            answer = await posting
            assert (answer.status_code, answer.json()) == (503, {"detail": "Server is not ready to accept requests"})
            assert answer.headers["retry-after"]
        assert api.clock.boot() - begun < 1
        await api.until(lambda: not api.objects())
        assert (await api.post("room")).status_code == 503
        assert (await api.http.get("/ready")).status_code == 503
        assert (await api.http.get("/health")).status_code == 200


@virtual
async def test_leaving_waits_for_a_session_that_a_pod_has() -> None:
    async with rig() as api:
        posting = api.post("room")
        bound = await api.operator.bind(await api.operator.session_of("room"))
        api.backend.leave()
        await api.clock.sleep(1)
        assert not posting.done()
        await api.operator.start(bound)
        assert (await posting).status_code == 201


@virtual
async def test_the_end_of_the_process_withdraws_what_is_still_open_and_is_bounded() -> None:
    async with rig() as api:
        posting = api.post("room")
        await api.operator.bind(await api.operator.session_of("room"))
        begun = api.clock.boot()
        await api.backend.__aexit__(None, None, None)
        assert api.clock.boot() - begun < 6
        await api.operator.seen(lambda session: session.deleting)
        await posting
        # the rig leaves the backend once more at its end, which does nothing


@virtual
async def test_the_end_of_the_process_does_not_hang_on_a_dead_api_server() -> None:
    async with rig() as api:
        posting = api.post("room")
        await api.operator.session_of("room")
        api.transport.hold()
        begun = api.clock.boot()
        await api.backend.__aexit__(None, None, None)
        assert api.clock.boot() - begun < 6
        await asyncio.gather(posting, return_exceptions=True)
        api.transport.release()
