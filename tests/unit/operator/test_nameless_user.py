"""A cluster may run a container as a user that no file of the image knows."""

from __future__ import annotations

import getpass
from typing import Any

import kopf
import pytest
from kopf._core.reactor import running

from greenroom_operator import main


class Spawned(Exception):
    """kopf knew who it is and went on."""


def test_the_operator_starts_as_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    def spawned(*_: Any, **__: Any) -> None:
        raise Spawned

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(running.credentials, "Vault", spawned)  # what comes next
    monkeypatch.setattr(main, "register", lambda *_: None)
    monkeypatch.setattr(main, "Shell", lambda *_: None)
    monkeypatch.setattr(main.auth, "discover", lambda: None)
    monkeypatch.setattr(main.logs, "set_up", lambda *_: None)
    assert kopf.operator is running.operator
    with pytest.raises(Spawned):
        main.main(["operator", "--namespace", "voice"])
