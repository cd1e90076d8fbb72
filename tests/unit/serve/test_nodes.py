"""Several servers on one store, and a store that fails."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tests.unit.runtime.stories import story
from tests.unit.serve.rig import files, serving

from greenroom.registry import InMemorySessionKVStore, SessionRegistry


class Shared(InMemorySessionKVStore):
    """Outlives the registries that stand on it."""

    async def close(self) -> None:
        return None


def registry(store, file, name):
    return SessionRegistry(store, node_id=name, clock=file.clock)


@story
async def test_any_node_answers_for_any_session():
    file, store = files(), Shared()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(file, registry=registry(store, file, "one")))
        two = await stack.enter_async_context(serving(file, registry=registry(store, file, "two")))
        begun = (await one.http.post("/calls/room/sessions")).json()
        file.agents[-1].metrics.llm_input_tokens__total.inc(7)
        path = f"/calls/room/sessions/{begun['session_id']}"
        looked = await two.http.get(path)
        assert (looked.status_code, looked.json()) == (200, begun)
        await file.clock.sleep(6)
        metrics = (await two.http.get(f"{path}/metrics")).json()
        assert metrics["metrics"]["llm_input_tokens__total"] == 7
        assert metrics["session_started_at"] == begun["session_started_at"]
        other = await two.started("other")
        listed = (await one.http.get("/sessions")).json()["sessions"]
        assert {item["session_id"]: item["pod"] for item in listed} == {begun["session_id"]: "one", other: "two"}
        assert (await two.http.delete(path)).status_code == 202
        await file.clock.sleep(6)
        assert [session.id for session in one.launcher.sessions] == []
        assert (await two.http.get(path)).status_code == 404
        ended = (await two.http.get("/calls/room/sessions")).json()["sessions"]
        assert [item["reason"] for item in ended] == ["CloseRequested"]


@story
async def test_a_registry_that_fails_is_503_and_nobody_is_told_that_a_session_is_unknown():
    class Failing(Shared):
        failing = False

        async def get(self, key):
            self._check()
            return await super().get(key)

        async def keys(self, prefix):
            self._check()
            return await super().keys(prefix)

        def _check(self):
            if self.failing:
                raise ConnectionError("redis://:secret@host is gone")

    file, store = files(), Failing()
    async with serving(file, registry=registry(store, file, "one")) as server:
        own = await server.started("room")
        store.failing = True
        for method, path in (
            ("GET", "/calls/room/sessions/other"),
            ("GET", "/calls/room/sessions/other/metrics"),
            ("DELETE", "/calls/room/sessions/other"),
        ):
            answer = await server.http.request(method, path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), (method, path)
            assert "secret" not in answer.text
        assert (await server.http.get(f"/calls/room/sessions/{own}")).status_code == 200, "own ones need no store"
        assert (await server.http.get("/ready")).status_code == 200
