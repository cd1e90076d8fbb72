"""The page at /talk where the API asks who its callers are: the token of its address gets it in, nothing else does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.browser.story import state
from tests.integration.api.test_process import a_bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.browser.conftest import Visit
    from tests.integration.api.test_process import Bench

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.browser, pytest.mark.integration]

KEY = "a-key-of-somebody-who-talks"


@asynccontextmanager
async def guarded(plane: ControlPlane, namespace: str, directory: Path) -> AsyncIterator[Bench]:
    keys = directory / "keys"
    keys.mkdir()
    (keys / "talker").write_text(f"{KEY}\nstart view close\n")
    variables = {"GREENROOM_AUTH": "keys", "GREENROOM_AUTH_KEYS_FOLDER": str(keys), "GREENROOM_TALK_PAGE": "true"}
    async with a_bench(plane, namespace, directory, lambda pad: pad.api(1, variables=variables)) as bench:
        yield bench


async def test_a_call_with_the_token_of_the_address_is_closed_when_the_page_is_left(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path, visit: Visit
) -> None:
    async with (
        guarded(control_plane, namespace, tmp_path) as bench,
        visit(f"{bench.api.url}/talk?call=room#token={KEY}") as page,
    ):
        assert await page.evaluate("location.href") == f"{bench.api.url}/talk?call=room", "taken out of the address"
        await page.click("#talk")
        session = await bench.session_of("room")
        assert str(session.spec.parameters["offer"]).startswith("v=0")
        await bench.run(session)
        await page.until("document.querySelector('#session-id').textContent !== '–'")
        assert page.complaints == []
        assert not any(KEY in address for address in page.requests)
        await page.call("Page.navigate", url="about:blank")
        await bench.until(lambda: "caller=close-token act=close call=room" in bench.api.log)
        assert f"caller=talker act=start call=room session={session.metadata.name} status=201" in bench.api.log
        assert KEY not in bench.api.log


async def test_without_one_it_says_what_is_missing_and_takes_one_that_comes_later(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path, visit: Visit
) -> None:
    async with (
        guarded(control_plane, namespace, tmp_path) as bench,
        visit(f"{bench.api.url}/talk?call=room") as page,
    ):
        for token in ("", "#token=somebody-else-s-key-of-some-length", "#token=no%0atoken"):
            await page.evaluate(f"location.hash = {token!r}")
            await page.until("location.hash === ''")
            await page.click("#talk")
            await state(page, "ended")
            assert "You may not talk here:" in await page.text("#problem")
            assert "Open the page with a token" in await page.text("#problem")
        assert len(bench.sessions.store) == 0
        await page.evaluate(f"location.hash = '#token={KEY}'")
        await page.until("location.hash === ''")
        await page.click("#talk")
        await bench.session_of("room")
