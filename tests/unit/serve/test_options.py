"""ServeOptions: defaults, variables, and what is refused before anything is served."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from greenroom.options import ServeOptions, allow_all


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS", "CORS_ALLOW_CREDENTIALS"):
        monkeypatch.delenv(f"GREENROOM_{name}", raising=False)


def test_the_documented_defaults():
    options = ServeOptions()
    assert options.fast_api is None
    for name in ("origins", "methods", "headers"):
        assert list(getattr(options, f"cors_allow_{name}")) == ["*"]
    assert options.cors_allow_credentials is True
    assert options.ready_when_full is True
    assert options.can_list_sessions is None
    checks = (options.can_start_session, options.can_close_session, options.can_view_session, options.can_view_metrics)
    assert checks == (allow_all,) * 4


@pytest.mark.parametrize("value", ['["https://a.com", "https://b.com"]', "https://a.com, https://b.com,"])
def test_a_list_from_a_variable(monkeypatch, value):
    monkeypatch.setenv("GREENROOM_CORS_ALLOW_ORIGINS", value)
    assert ServeOptions().cors_allow_origins == ("https://a.com", "https://b.com")
    assert ServeOptions(cors_allow_origins=["https://c.com"]).cors_allow_origins == ("https://c.com",)


@pytest.mark.parametrize(("value", "meant"), [("false", False), ("0", False), ("True", True), ("1", True)])
def test_a_switch_from_a_variable(monkeypatch, value, meant):
    monkeypatch.setenv("GREENROOM_CORS_ALLOW_CREDENTIALS", value)
    monkeypatch.setenv("GREENROOM_READY_WHEN_FULL", value)
    assert ServeOptions().cors_allow_credentials is meant
    assert ServeOptions().ready_when_full is meant
    assert ServeOptions(ready_when_full=not meant).ready_when_full is not meant


def test_variables_without_the_prefix_say_nothing(monkeypatch):
    for name, value in (("CORS_ALLOW_CREDENTIALS", "false"), ("CORS_ALLOW_ORIGINS", "[]"), ("FAST_API", "x")):
        monkeypatch.setenv(name, value)
    assert ServeOptions() == ServeOptions(cors_allow_origins=["*"], cors_allow_credentials=True)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("CORS_ALLOW_CREDENTIALS", "maybe", "GREENROOM_CORS_ALLOW_CREDENTIALS must be true or false, not 'maybe'"),
        ("CORS_ALLOW_ORIGINS", "[1", "GREENROOM_CORS_ALLOW_ORIGINS is not a JSON list: '[1'"),
        ("CORS_ALLOW_ORIGINS", "[1]", "cors_allow_origins must be a list of texts, not [1]"),
    ],
)
def test_a_bad_variable_is_one_sentence(monkeypatch, variable, value, sentence):
    monkeypatch.setenv(f"GREENROOM_{variable}", value)
    with pytest.raises(ValueError) as caught:
        ServeOptions()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cors_allow_origins", "https://a.com"),
        ("cors_allow_origins", [1]),
        ("cors_allow_methods", None),
        ("cors_allow_headers", [""]),
        ("cors_allow_credentials", "true"),
        ("ready_when_full", 1),
        ("can_start_session", True),
        ("can_close_session", None),
        ("can_view_session", "yes"),
        ("can_view_metrics", 5),
        ("can_list_sessions", True),
        ("fast_api", object()),
        ("fast_api", FastAPI),
    ],
)
def test_a_wrong_type_is_refused_with_the_fields_name(field, value):
    with pytest.raises(ValueError, match=rf"^{field} must be "):
        ServeOptions(**{field: value})


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="cors_allow_origin"):
        ServeOptions(cors_allow_origin=["*"])
