"""JWTs of an issuer, good and bad ones."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fakes.virtual_time import VirtualClock, run_virtual
from tests.unit.api.rig import virtual

from greenroom_api.auth import Act, Undecided, Unrecognised
from greenroom_api.auth.issuer import ASK_AGAIN_SECONDS, KEPT_SECONDS, IssuerKeys
from greenroom_api.auth.oidc import LEEWAY_SECONDS, Claims, OidcGate

ISSUER = "https://issuer.example"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"} | more


class Issuer:
    """What is at the issuer's addresses; `asked` counts the looks at its keys."""

    def __init__(self) -> None:
        self.keys = [public(RSA, "rsa"), public(CURVE, "curve")]
        self.calls_itself = ISSUER
        self.away = False
        self.asked = 0

    async def fetch(self, address: str) -> bytes:
        if self.away:
            raise OSError("no route")
        if address == f"{ISSUER}/.well-known/openid-configuration":
            return json.dumps({"issuer": self.calls_itself, "jwks_uri": f"{ISSUER}/keys"}).encode()
        assert address == f"{ISSUER}/keys"
        self.asked += 1
        return json.dumps({"keys": self.keys}).encode()


def scene(**claims: str) -> tuple[OidcGate, Issuer, VirtualClock]:
    clock, issuer = VirtualClock(), Issuer()
    keys = IssuerKeys(ISSUER, issuer.fetch, clock)
    return OidcGate(Claims(issuer=ISSUER, audience="greenroom", **claims), keys, clock), issuer, clock


def token(key: Any = RSA, key_id: str = "rsa", algorithm: str = "RS256", **claims: Any) -> str:
    now = VirtualClock().wall().timestamp()
    said = {"iss": ISSUER, "aud": "greenroom", "exp": now + 600, "sub": "ann", "scope": "greenroom:start other"}
    kept = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers={"kid": key_id})


@virtual
async def test_a_good_token_names_its_caller_and_what_they_may() -> None:
    gate, _, _ = scene()
    caller = await gate.caller(token())
    assert caller.name == "ann"
    assert [act for act in Act if await gate.may(caller, act)] == [Act.START]
    assert (await gate.caller(token(CURVE, "curve", "ES256"))).name == "ann"


@virtual
async def test_permissions_may_be_a_list_somewhere_deep() -> None:
    gate, _, _ = scene(permissions="realm_access.roles", name="https://example/name")
    said = {"realm_access": {"roles": ["greenroom:*", 7]}, "https://example/name": "Ann"}
    caller = await gate.caller(token(**said))
    assert (caller.name, caller.may) == ("Ann", frozenset(Act))
    assert (await gate.caller(token(**(said | {"realm_access": "greenroom:*"})))).may == frozenset()


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": -LEEWAY_SECONDS - 1}, "expired"),
        ({"exp": None}, "does not hold"),
        ({"exp": "tomorrow"}, "does not hold|no number"),
        ({"nbf": LEEWAY_SECONDS + 60}, "not hold yet"),
        ({"aud": "somebody-else"}, "another audience"),
        ({"aud": None}, "does not hold"),
        ({"iss": "https://issuer.example.evil"}, "another issuer"),
        ({"sub": None}, "no claim sub"),
        ({"sub": ["ann"]}, "no claim sub|does not hold"),
        ({"sub": ""}, "no claim sub"),
        ({"exp": "NaN"}, "no number|does not hold"),
        ({"nbf": "NaN"}, "no number|does not hold"),
        ({"aud": {"greenroom": 1}}, "another audience|does not hold"),
        ({"aud": ["somebody-else", "greenroom "]}, "another audience"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
    ],
)
def test_a_token_that_says_something_else_is_refused(claims: dict[str, Any], says: str) -> None:
    @virtual
    async def story() -> None:
        gate, _, clock = scene()
        now = clock.wall().timestamp()
        times = {name: now + value for name, value in claims.items() if isinstance(value, float | int)}
        with pytest.raises(Unrecognised, match=says):
            await gate.caller(token(**(claims | times)))

    story()


def forged(head: dict[str, Any], said: dict[str, Any] | None = None) -> str:
    now = VirtualClock().wall().timestamp()
    body = said or {"iss": ISSUER, "aud": "greenroom", "exp": now + 600, "sub": "ann", "scope": "greenroom:*"}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, body))
    return ".".join((*parts, ""))


def by_public_key(unsigned: str) -> str:
    """What everybody knows, taken for a secret that two share."""
    known = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(known, unsigned.rstrip(".").encode(), "sha256")
    return unsigned + base64.urlsafe_b64encode(signature).decode().rstrip("=")


KEY_IDS = ("../../../dev/null", "rsa\x00", "rsa' OR '1'='1", "https://evil.example/keys#rsa", "k" * 8_000, "curve")


def signed_by_stranger(**head: Any) -> str:
    unsigned = forged({"alg": "RS256", "kid": "rsa", "typ": "JWT"} | head).rstrip(".")
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(unsigned.encode(), STRANGER)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def deep_head() -> str:
    """JSON that is deeper than a parser goes, and whose key would be the issuer's."""
    head = b'{"alg":"RS256","kid":"rsa","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    return f"{base64.urlsafe_b64encode(head).decode().rstrip('=')}.e30.AAAA"


@virtual
async def test_numbers_beyond_all_bounds_are_none() -> None:
    """Said by the issuer itself; a token for ever is nothing that one meant."""
    gate, _, _ = scene()
    for beyond in (float("nan"), float("inf"), 10**400):
        with pytest.raises(Unrecognised, match=r"no number|does not hold"):
            await gate.caller(token(exp=beyond))


@virtual
async def test_forged_signatures_are_refused() -> None:
    gate, _, _ = scene()
    good = token()
    head, body, signature = good.split(".")
    wider = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(body + "==").replace(b"greenroom:start", b"greenroom:*    ")
    ).decode()
    for bad in (
        token(STRANGER),
        token(STRANGER, key_id="nobody"),
        f"{head}.{wider.rstrip('=')}.{signature}",
        f"{head}.{body}.",
        forged({"alg": "none", "kid": "rsa"}),
        forged({"alg": "None", "kid": "rsa"}),
        by_public_key(forged({"alg": "HS256", "kid": "rsa"})),
        token(CURVE, "rsa", "ES256"),
        token(RSA, "curve", "RS256"),
        jwt.encode({"sub": "ann"}, RSA, "RS256"),
        *(signed_by_stranger(kid=kid) for kid in (*KEY_IDS, "", None, 7, ["rsa"], {"rsa": 1})),
        signed_by_stranger(jwk=public(STRANGER, "rsa")),
        signed_by_stranger(jku="https://evil.example/keys", x5u="https://evil.example/cert"),
        signed_by_stranger(x5c=["AAAA"]),
        signed_by_stranger(crit=["greenroom"], greenroom=True),
        signed_by_stranger(alg=["RS256"]),
        signed_by_stranger(alg="rs256"),
        signed_by_stranger(b64=False, crit=["b64"]),
        deep_head(),
        "no-jwt-at-all",
        "a.b.c",
        "..",
        ".".join("a" * 9),
        "eyJ" * 4_000,
    ):
        with pytest.raises(Unrecognised) as told:
            await gate.caller(bad)
        assert bad not in str(told.value)


@virtual
async def test_a_new_key_is_found_and_one_that_is_withdrawn_ends() -> None:
    gate, issuer, clock = scene()
    await gate.caller(token())
    issuer.keys = [public(STRANGER, "new")]
    with pytest.raises(Unrecognised):
        await gate.caller(token(STRANGER, "new"))
    assert issuer.asked == 1, "anybody can name a key that is not there"
    await clock.sleep(ASK_AGAIN_SECONDS + 1)
    assert (await gate.caller(token(STRANGER, "new"))).name == "ann"
    with pytest.raises(Unrecognised):
        await gate.caller(token())
    assert issuer.asked == 2


def test_an_issuer_that_is_away() -> None:
    async def story() -> None:
        gate, issuer, clock = scene()
        issuer.away = True
        for _ in range(2):
            with pytest.raises(Undecided):
                await gate.caller(token())
        issuer.away = False
        await clock.sleep(ASK_AGAIN_SECONDS + 1)
        await gate.caller(token())
        issuer.away = True
        await clock.sleep(KEPT_SECONDS + 1)
        later = clock.wall().timestamp() + 600
        assert (await gate.caller(token(exp=later))).name == "ann", "its outage is not that of all callers"
        issuer.away, issuer.keys = False, [public(STRANGER, "new")]
        await clock.sleep(ASK_AGAIN_SECONDS + 1)
        with pytest.raises(Unrecognised):
            await gate.caller(token(exp=later))

    run_virtual(story(), limit_seconds=2 * KEPT_SECONDS)


@virtual
async def test_an_issuer_that_calls_itself_otherwise_gives_no_keys() -> None:
    gate, issuer, _ = scene()
    issuer.calls_itself = "https://evil.example"
    with pytest.raises(Undecided):
        await gate.caller(token())


@virtual
async def test_keys_for_other_uses_and_of_unknown_kinds_are_passed_over() -> None:
    gate, issuer, _ = scene()
    shared = {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "shared"}
    issuer.keys = [shared, {"kty": "XYZ", "kid": "odd"}, public(STRANGER, "enc", use="enc"), public(RSA, "rsa")]
    assert (await gate.caller(token())).name == "ann"
    for bad in (token(STRANGER, "enc"), jwt.encode({"sub": "ann"}, b"s" * 32, "HS256", headers={"kid": "shared"})):
        with pytest.raises(Unrecognised):
            await gate.caller(bad)
