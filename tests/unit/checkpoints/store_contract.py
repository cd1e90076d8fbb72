"""What every store of checkpoints does. A subclass gives the fixture `store`."""

from __future__ import annotations

from greenroom.checkpoints import Checkpoint, CheckpointStore
from greenroom.checkpoints.form import decoded, encoded

SESSION = "default/0f0f-1"


class CheckpointStoreContract:
    async def test_what_was_saved_last_is_loaded(self, store: CheckpointStore) -> None:
        assert await store.load(SESSION) is None
        for number in range(3):
            await store.save(SESSION, Checkpoint(state=encoded({"said": "é" * number}), attempt=1))
        loaded = await store.load(SESSION)
        assert loaded is not None
        assert (decoded(loaded.state), loaded.attempt) == ({"said": "éé"}, 1)

    async def test_the_largest_comes_back_to_the_letter(self, store: CheckpointStore) -> None:
        largest = Checkpoint(state=encoded({"s": '\x00\n"' + "ü" * 8_183}), attempt=1)
        assert len(largest.state.encode()) == 16_384
        await store.save(SESSION, largest)
        assert await store.load(SESSION) == largest

    async def test_a_later_attempt_goes_before_one_that_lives_on(self, store: CheckpointStore) -> None:
        for attempt, state in ((9, '{"n":9}'), (10, '{"n":10}'), (9, '{"n":"cut off"}')):
            await store.save(SESSION, Checkpoint(state=state, attempt=attempt))
        assert await store.load(SESSION) == Checkpoint(state='{"n":10}', attempt=10)

    async def test_one_that_is_forgotten_is_gone_and_no_other(self, store: CheckpointStore) -> None:
        for session in (SESSION, SESSION + "2"):
            await store.save(session, Checkpoint(state="{}", attempt=1))
        for _ in range(2):
            await store.forget(SESSION)
        assert await store.load(SESSION) is None
        assert await store.load(SESSION + "2") == Checkpoint(state="{}", attempt=1)
