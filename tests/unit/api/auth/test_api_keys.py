"""Callers by a folder of keys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.api.rig import virtual

from greenroom_api.auth import Act, Unrecognised
from greenroom_api.auth.api_keys import READ_AGAIN_SECONDS, KeyGate

if TYPE_CHECKING:
    from pathlib import Path

ANN = "ann-has-this-long-key"
BOB = "bob-has-another-long-one"


def test_a_file_is_a_caller(tmp_path: Path) -> None:
    (tmp_path / "ann").write_text(f"{ANN}\n")
    (tmp_path / "bob").write_text(f"{BOB}\nview list fly\n")
    (tmp_path / "..data").mkdir()
    (tmp_path / "..hidden").write_text("hidden-keys-do-not-count")

    @virtual
    async def story() -> None:
        gate = KeyGate(tmp_path, VirtualClock())
        ann, bob = await gate.caller(ANN), await gate.caller(BOB)
        assert (ann.name, ann.may) == ("ann", frozenset(Act))
        assert bob.name == "bob"
        assert [act for act in Act if await gate.may(bob, act)] == [Act.VIEW, Act.LIST]
        for nobody in ("", "ann", ANN.upper(), "hidden-keys-do-not-count"):
            with pytest.raises(Unrecognised):
                await gate.caller(nobody)

    story()


def test_a_key_comes_and_goes_with_its_file(tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        clock = VirtualClock()
        gate = KeyGate(tmp_path, clock)
        with pytest.raises(Unrecognised):
            await gate.caller(ANN)
        (tmp_path / "ann").write_text(ANN)
        await clock.sleep(READ_AGAIN_SECONDS)
        assert (await gate.caller(ANN)).name == "ann"
        (tmp_path / "ann").unlink()
        await clock.sleep(READ_AGAIN_SECONDS)
        with pytest.raises(Unrecognised):
            await gate.caller(ANN)

    story()


def test_a_short_key_does_not_count_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ann").write_text("short")
    (tmp_path / "empty").write_text("")
    (tmp_path / "bob").write_text(BOB)

    @virtual
    async def story() -> None:
        clock = VirtualClock()
        gate = KeyGate(tmp_path, clock)
        for _ in range(3):
            assert (await gate.caller(BOB)).name == "bob"
            for key in ("short", ""):
                with pytest.raises(Unrecognised):
                    await gate.caller(key)
            await clock.sleep(READ_AGAIN_SECONDS)

    with caplog.at_level(logging.ERROR):
        story()
    assert len(caplog.messages) == 2
    assert "short'" not in caplog.text


def test_a_folder_that_goes_away_keeps_the_keys_that_are_known(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "ann").write_text(ANN)

    @virtual
    async def story() -> None:
        clock = VirtualClock()
        gate = KeyGate(folder, clock)
        await gate.caller(ANN)
        folder.rename(tmp_path / "elsewhere")
        await clock.sleep(READ_AGAIN_SECONDS)
        assert (await gate.caller(ANN)).name == "ann"

    story()
