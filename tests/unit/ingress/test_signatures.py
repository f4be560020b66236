"""Every way in which a signature can be wrong."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.authentication import Denial, Keyring, Request
from services.ingress.signatures import NO_SIGNATURE, SEVERAL_SIGNATURES, WRONG_SIGNATURE, SignatureAuthenticator

SECRETS = (b"new", b"old")


def signed(raw: bytes, secret: bytes) -> bytes:
    return b"sha256=" + hmac.new(secret, raw, "sha256").hexdigest().encode()


def check(raw: bytes, *signatures: bytes) -> Denial | None:
    headers = [(b"x-hub-signature-256", signature) for signature in signatures]
    return SignatureAuthenticator(SECRETS).check(Request(headers, "", raw, 0), Keyring({}, {}))


@given(st.binary(max_size=50), st.sampled_from(SECRETS))
def test_a_signature_with_one_of_the_secrets_over_the_bytes_is_let_in(raw: bytes, secret: bytes) -> None:
    assert check(raw, signed(raw, secret)) is None
    assert check(raw + b" ", signed(raw, secret)) == WRONG_SIGNATURE


def test_any_other_signature_is_refused() -> None:
    good = signed(b"{}", b"new")
    assert check(b"{}") == NO_SIGNATURE
    assert check(b"{}", good, good) == SEVERAL_SIGNATURES
    assert SEVERAL_SIGNATURES.error == NO_SIGNATURE.error
    for bad in (b"", b"sha256=", good.upper(), good[7:], b"sha1=" + good[7:], good + b"0", signed(b"{}", b"other")):
        assert check(b"{}", bad) == WRONG_SIGNATURE


def test_the_signature_of_the_rfc_is_good() -> None:
    """RFC 4231, test case 2."""
    good = b"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    request = Request([(b"x-hub-signature-256", good)], "", b"what do ya want for nothing?", 0)
    assert SignatureAuthenticator([b"Jefe"]).check(request, Keyring({}, {})) is None


@pytest.mark.parametrize("claimed", [b"", b"x"])
def test_without_a_secret_nothing_is_signed(claimed: bytes) -> None:
    request = Request([(b"x-hub-signature-256", signed(b"{}", claimed))], "", b"{}", 0)
    assert SignatureAuthenticator([]).check(request, Keyring({}, {})) == WRONG_SIGNATURE


def test_every_signature_costs_the_same_work_whether_and_by_which_secret_it_is_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    compared: list[bool] = []
    digest, compare = hmac.digest, hmac.compare_digest

    def digest_and_note(key: bytes, message: bytes, kind: str) -> bytes:
        made.append(kind)
        return digest(key, message, kind)

    def compare_and_note(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    signatures = [signed(b"{}", secret) for secret in (*SECRETS, b"another")]
    monkeypatch.setattr(hmac, "digest", digest_and_note)
    monkeypatch.setattr(hmac, "compare_digest", compare_and_note)
    for signature in (*signatures, b"sha256=", b"x" * 1000):
        made.clear()
        compared.clear()
        check(b"{}", signature)
        assert made == ["sha256"] * len(SECRETS)
        assert len(compared) == len(SECRETS)
