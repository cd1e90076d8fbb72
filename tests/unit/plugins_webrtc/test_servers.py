"""Servers come from arguments or the environment, and their credential is shown nowhere."""

from __future__ import annotations

import pytest

from greenroom.plugins.local.webrtc.servers import IceServers

NAMES = ("GREENROOM_TURN_URL", "GREENROOM_TURN_USERNAME", "GREENROOM_TURN_CREDENTIAL")


def found(url: str = "", username: str = "", credential: str = "") -> IceServers:
    return IceServers.found(None, None, None, dict(zip(NAMES, (url, username, credential), strict=True)))


def test_without_any_nobody_is_asked() -> None:
    assert IceServers.found(None, None, None, {}) == IceServers()


def test_one_of_a_kind_from_the_environment() -> None:
    servers = found("turn:turn.example.com:3478?transport=tcp, stun:stun.example.com", "me", "s3cret")
    assert servers == IceServers(
        "stun:stun.example.com", "turn:turn.example.com:3478?transport=tcp", "me", servers.credential
    )
    assert servers.credential == "s3cret"
    assert "s3cret" not in repr(servers)


def test_arguments_come_first() -> None:
    environment = dict(zip(NAMES, ("turn:other.example.com", "you", "other"), strict=True))
    servers = IceServers.found("turns:turn.example.com", "me", "mine", environment)
    assert (servers.turn_url, servers.username, servers.credential) == ("turns:turn.example.com", "me", "mine")
    assert IceServers.found("stun:a.example.com", None, None, environment).turn_url is None


@pytest.mark.parametrize(
    "url", ["turn.example.com", "http://turn.example.com", "turn:a:b", "stuns:a.example.com", "stun:a?transport=udp"]
)
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="GREENROOM_TURN_URL") as refused:
        found(url, "me", "s3cret")
    assert repr(url) in str(refused.value)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="is no address") as refused:
        found("turn:me:s3cret@turn.example.com")
    assert "s3cret" not in str(refused.value)
    assert "turn.example.com" in str(refused.value)


def test_two_of_a_kind_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="turn:a and turns:b"):
        found("turn:a,turns:b", "me", "s3cret")


@pytest.mark.parametrize(("username", "credential"), [("", "s3cret"), ("me", "")])
def test_turn_without_a_name_or_credential_says_what_to_set(username: str, credential: str) -> None:
    with pytest.raises(ValueError, match="GREENROOM_TURN_USERNAME and GREENROOM_TURN_CREDENTIAL") as refused:
        found("turn:turn.example.com", username, credential)
    assert "s3cret" not in str(refused.value)
