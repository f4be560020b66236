"""Every way in which a token can be wrong."""

import base64
import hashlib
import hmac
import ipaddress
import json
import math
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from services.ingress import tokens
from services.ingress.authentication import Denial, Keyring, KnownApiKey, Request, VerifyingKey
from services.ingress.tokens import TokenAuthenticator, VerifiedTokens

NOW = 1_800_000_000
OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
KID, KEY = "kid-1", "key-1"


def keyring(**changes: Any) -> Keyring:  # noqa: ANN401
    key = KnownApiKey(workspace="w", may_execute=True, expires_at_s=math.inf, networks=())._replace(**changes)
    return Keyring({KID: VerifyingKey("w", OURS.public_key())}, {KEY: key})


def claims(**changes: object) -> dict[str, object]:
    return {"iss": "inlet", "sub": KEY, "iat": NOW - 10, "exp": NOW + 10, "jti": "1", **changes}


def naming_its_own_key(**header: object) -> str:
    """A token whose header says where the key is, which is not for it to say."""
    return jwt.encode(claims(), FOREIGN, "RS512", headers={"kid": KID, **header})


def token(key: rsa.RSAPrivateKey = OURS, kid: object = KID, algorithm: str = "RS512", **changes: object) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid} if kid else None)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def hs512_with_the_public_key() -> str:
    signed = f"{part({'alg': 'HS512', 'typ': 'JWT', 'kid': KID})}.{part(claims())}"
    signature = hmac.new(PEM, signed.encode(), hashlib.sha512).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def check(
    text: str,
    keys: Keyring | None = None,
    *,
    now_s: float = NOW,
    address: str = "127.0.0.1",
    authenticator: TokenAuthenticator | None = None,
) -> Denial | None:
    chosen = authenticator or TokenAuthenticator(KEY, "w", VerifiedTokens())
    headers = [(b"authorization", b"Bearer " + text.encode("latin-1"))]
    return chosen.check(Request(headers, address, b"{}", now_s), keys or keyring())


def test_a_good_token_is_let_in() -> None:
    assert check(token()) is None


@pytest.mark.parametrize(
    ("bad", "denial"),
    [
        ("", tokens.MALFORMED),
        ("abc", tokens.MALFORMED),
        ("a.b.c", tokens.MALFORMED),
        ("x" * 5000, tokens.MALFORMED),
        (f"{part({'alg': 'none', 'kid': KID})}.{part(claims())}.", tokens.ALGORITHM_REFUSED),
        (hs512_with_the_public_key(), tokens.ALGORITHM_REFUSED),
        (token(algorithm="RS256"), tokens.ALGORITHM_REFUSED),
        (token(kid="another"), tokens.BAD_SIGNATURE),
        (token(kid=None), tokens.BAD_SIGNATURE),
        (token(key=FOREIGN), tokens.BAD_SIGNATURE),
        (token(kid="../../../../dev/null"), tokens.BAD_SIGNATURE),
        (token(kid="' OR '1'='1"), tokens.BAD_SIGNATURE),
        (naming_its_own_key(jwk=RSAAlgorithm.to_jwk(FOREIGN.public_key(), as_dict=True)), tokens.BAD_SIGNATURE),
        (naming_its_own_key(jku="https://evil.example/jwks.json"), tokens.BAD_SIGNATURE),
        (naming_its_own_key(x5u="https://evil.example/cert.pem"), tokens.BAD_SIGNATURE),
        (token()[:-6] + "AAAAAA", tokens.BAD_SIGNATURE),
        (token(exp=NOW), tokens.EXPIRED),
        (token(exp="soon"), tokens.MALFORMED),
        (token(iat=NOW + 3600, exp=NOW + 7200), tokens.MALFORMED),
        (token(iss="somebody"), tokens.MALFORMED),
        (token(sub="another"), tokens.OTHER_KEY),
    ],
)
def test_a_bad_token_is_refused_and_stays_so(bad: str, denial: Denial) -> None:
    authenticator = TokenAuthenticator(KEY, "w", VerifiedTokens())
    for _ in range(2):
        assert check(bad, authenticator=authenticator) == denial


@pytest.mark.parametrize("missing", ["exp", "iat", "sub"])
def test_a_token_without_a_claim_that_is_checked_is_malformed(missing: str) -> None:
    left = {name: value for name, value in claims().items() if name != missing}
    assert check(jwt.encode(left, OURS, "RS512", headers={"kid": KID})) == tokens.MALFORMED


@pytest.mark.parametrize(
    ("keys", "denial"),
    [
        (keyring()._replace(api={}), tokens.NO_KEY),
        (keyring(workspace="other"), tokens.NO_KEY),
        (keyring(expires_at_s=NOW), tokens.KEY_EXPIRED),
        (keyring(may_execute=False), tokens.NO_PERMISSION),
        (keyring(networks=(ipaddress.ip_network("203.0.113.0/24"),)), tokens.OTHER_PLACE),
        (keyring()._replace(signing={KID: VerifyingKey("other", OURS.public_key())}), tokens.OTHER_KEY),
        (keyring()._replace(signing={}), tokens.BAD_SIGNATURE),
        (keyring()._replace(signing={KID: VerifyingKey("w", FOREIGN.public_key())}), tokens.BAD_SIGNATURE),
    ],
)
def test_a_token_that_was_let_in_is_refused_as_soon_as_its_keys_change(keys: Keyring, denial: Denial) -> None:
    authenticator = TokenAuthenticator(KEY, "w", VerifiedTokens())
    good = token()
    assert check(good, authenticator=authenticator) is None
    assert check(good, keys, authenticator=authenticator) == denial
    assert check(good, authenticator=authenticator) is None


def test_a_token_that_was_let_in_is_refused_when_it_has_expired() -> None:
    authenticator = TokenAuthenticator(KEY, "w", VerifiedTokens())
    good = token()
    assert check(good, authenticator=authenticator) is None
    assert check(good, now_s=NOW + 10, authenticator=authenticator) == tokens.EXPIRED


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("203.0.113.9", True), ("::ffff:203.0.113.9", True), ("203.0.114.9", False), ("::1", False), ("unix", False)],
)
def test_networks_are_those_of_the_sender(address: str, *, allowed: bool) -> None:
    keys = keyring(networks=(ipaddress.ip_network("203.0.113.0/24"),))
    assert (check(token(), keys, address=address) is None) is allowed


def test_the_number_of_tokens_remembered_is_bounded() -> None:
    verified = VerifiedTokens(limit=2)
    for jti in "abc":
        assert not isinstance(verified.claims(token(jti=jti), keyring().signing), Denial)
    assert len(verified._verified) == 2


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], tokens.MISSING_TOKEN),
        ([(b"cookie", b"a=b")], tokens.MISSING_TOKEN),
        ([(b"cookie", b"access_token=")], tokens.MISSING_TOKEN),
        ([(b"cookie", b"a=b; access_token=T; c=d")], "T"),
        ([(b"cookie", b"a=b"), (b"cookie", b"access_token=T")], "T"),
        ([(b"cookie", b'prefs={"a":"b"}; access_token=T')], "T"),
        ([(b"cookie", b"foo; access_token=T; =x")], "T"),
        ([(b"cookie", b"x=\xe9; d=Fri Sep 01; access_token=T")], "T"),
        ([(b"cookie", b'access_token="T"')], "T"),
        ([(b"cookie", b"x_access_token=T; access_token2=T")], tokens.MISSING_TOKEN),
        ([(b"authorization", b"bearer T"), (b"cookie", b"access_token=C")], "T"),
        ([(b"authorization", b"Basic T"), (b"cookie", b"access_token=C")], tokens.MALFORMED),
        ([(b"authorization", b"Bearer")], tokens.MALFORMED),
        ([(b"authorization", b"Bearer T"), (b"authorization", b"Bearer U")], tokens.MALFORMED),
    ],
)
def test_where_a_token_is_looked_for(headers: list[tuple[bytes, bytes]], found: str | Denial) -> None:
    assert tokens.find_token(headers) == found
