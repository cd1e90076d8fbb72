"""Settings: flag before variable before default, and errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from greenroom_core.settings import BadSetting, load, setting


@dataclass(frozen=True)
class Settings:
    """Of a program that greets."""

    greeting: str = setting("hello", "what it says")
    port: int = setting(8080, "1 to 65535", lambda value: 0 < value < 65536)
    pause_seconds: float = setting(0.5, "between greetings; 100 % of them")
    loud: bool = setting(False, "true or false")


@dataclass(frozen=True)
class Strict:
    namespace: str = field(metadata={"help": "where it runs", "check": None})


def test_default_then_variable_then_flag() -> None:
    assert load(Settings, "greet", [], {}) == Settings()
    environment = {"GREENROOM_PORT": "9000", "GREENROOM_GREETING": "hi", "GREENROOM_PAUSE_SECONDS": "1.5"}
    found = load(Settings, "greet", ["--port", "9001"], environment)
    assert found == Settings(greeting="hi", port=9001, pause_seconds=1.5)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("0", False)]
)
def test_switches_are_spelled_out(text: str, value: bool) -> None:
    assert load(Settings, "greet", ["--loud", text], {}).loud is value


@pytest.mark.parametrize(
    ("arguments", "environment", "parts"),
    [
        (["--port", "many"], {}, ["GREENROOM_PORT='many'", "not a int", "1 to 65535"]),
        ([], {"GREENROOM_PORT": "70000"}, ["GREENROOM_PORT='70000'", "not allowed", "1 to 65535"]),
        ([], {"GREENROOM_LOUD": "yes"}, ["GREENROOM_LOUD='yes'", "true or false"]),
    ],
)
def test_bad_value_is_named_with_what_is_allowed(
    arguments: list[str], environment: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(BadSetting) as refused:
        load(Settings, "greet", arguments, environment)
    assert all(part in str(refused.value) for part in parts)


def test_setting_without_a_default_must_be_given() -> None:
    with pytest.raises(BadSetting, match=r"--namespace \(or GREENROOM_NAMESPACE\) must be set: where it runs"):
        load(Strict, "strict", [], {})
    assert load(Strict, "strict", [], {"GREENROOM_NAMESPACE": "calls"}).namespace == "calls"


def test_help_shows_every_setting_with_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        load(Settings, "greet", ["--help"], {})
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("Of a program that greets.", "--pause-seconds", "GREENROOM_PAUSE_SECONDS", "default 8080", "100 %"):
        assert part in shown


def test_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        load(Settings, "greet", ["--nonsense", "1"], {})
    assert left.value.code == 2
    assert "--nonsense" in capsys.readouterr().err
