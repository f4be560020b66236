"""What is fuzzed: each target takes any bytes and fails where it breaks what its module promises."""

import asyncio
import hmac
import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from libs.bodies import DEPTH_LIMIT, LEAVES_LIMIT, BodyError, decode_body
from libs.credentials import is_credential
from libs.decoding import SteadyDecoder
from libs.filters import Filter, FilterError, TooCostlyError, compile_matcher, explain, parse, to_source
from libs.parameters import ABSENT, find, flatten, split
from services.ingress import checks
from services.ingress.authentication import Denial, Keyring, KnownApiKey, Request, VerifyingKey
from services.ingress.signatures import SignatureAuthenticator
from services.ingress.tokens import TokenAuthenticator, VerifiedTokens
from tests.fuzz.connection import converse

NOW: Final = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
_HEADERS: Final = {"content-type": "application/json", "x-form-id": "7"}
_EMPTY: Final = Keyring({}, {})


def body(data: bytes) -> None:
    """What is taken, and as what, is what the standard library reads and the limits allow."""
    decoded: object = None
    with suppress(BodyError):
        decoded = decode_body(data)
    expected = _as_the_standard_reads(data)
    assert decoded == expected
    assert repr(decoded) == repr(expected)  # 1 and 1.0, 0.0 and -0.0 too


def _as_the_standard_reads(data: bytes) -> object:
    """The object, or None where there is none, within the limits that inputs of a fuzzer can reach."""
    try:
        read = json.loads(data.decode(), parse_constant=_refuse)
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode()  # neither surrogates nor beyond a double
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) and _depth(read) <= DEPTH_LIMIT else None


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [child for one in level for child in (one.values() if isinstance(one, dict) else one)]
    return depth


def numbers(data: bytes) -> None:
    """The fast and the steady way of reading numbers agree."""
    decoder: SteadyDecoder[object] = SteadyDecoder(object)
    fast, steady = (_read(one, data) for one in (decoder._fast, decoder._steady))
    assert fast == steady
    assert repr(fast) == repr(steady)


def _read(decoder: msgspec.json.Decoder[object], data: bytes) -> object:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ABSENT


def parameters(data: bytes) -> None:
    """Every leaf has a path of its own, by which it is found again."""
    with suppress(BodyError):
        document = decode_body(data)
        flat = flatten(_HEADERS, document)
        assert len(flat) <= LEAVES_LIMIT + len(_HEADERS)
        for path, value in flat.items():
            segments = split(path)
            assert len(segments) <= DEPTH_LIMIT + 1
            assert find(segments, _HEADERS, document) is value


def headers(data: bytes) -> None:
    """Of the headers in these lines no credential becomes a parameter, and every answer is one of the contract."""
    raw = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    folded = checks.fold_headers(raw)
    assert not any(map(is_credential, folded))
    assert sum(map(len, folded.values())) <= checks.size_of(raw)
    if folded.get("content-length", "0").isdecimal():  # of others the server says that it is no HTTP
        answer = checks.refuse_head("POST", folded, 1000)
        assert answer is None or answer.status in {413, 415}
    checks.has_body(raw)


def signature(data: bytes) -> None:
    """Who has the secret signs any body, and nobody else does, whatever they send as a signature."""
    given, _, raw = data.partition(b"\n")
    good = b"sha256=" + hmac.digest(b"another", raw, "sha256").hex().encode()
    authenticator = SignatureAuthenticator([b"a secret", b"another"])
    for value in (given, good):
        request = Request([(b"x-hub-signature-256", value)], "203.0.113.7", raw, NOW.timestamp())
        denial = authenticator.check(request, _EMPTY)
        assert (denial is None) is (value == good)
        assert denial is None or denial.status == 401


def token(data: bytes) -> None:
    """Nobody has a token without the key that signs them, in a header or a cookie."""
    name, _, value = data.partition(b":")
    keyring = Keyring({"k": VerifyingKey("w", _public_key())}, {"a": KnownApiKey("w", True, math.inf, ())})
    for header in {b"authorization", b"cookie", name}:
        request = Request([(header, value)], "203.0.113.7", b"", NOW.timestamp())
        denial = TokenAuthenticator("a", "w", VerifiedTokens()).check(request, keyring)
        assert isinstance(denial, Denial)
        assert denial.status == 401


@cache
def _public_key() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def filters(data: bytes) -> None:
    """A filter is refused with its faults, or compiled, and then matches where its explanation says that it does."""
    where, _, document = data.partition(b"\n")
    try:
        source: Any = msgspec.json.decode(where)
        event: Any = msgspec.json.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    try:
        parsed = parse(source)
    except FilterError as error:
        faults = error.faults
    else:
        _agree(parsed, event)
        return
    assert faults


def _agree(parsed: Filter, event: object) -> None:
    assert parse(to_source(parsed)) == parsed
    with suppress(TooCostlyError):
        matched = compile_matcher([("it", parsed, UTC)]).match(event, _HEADERS, NOW) == ["it"]
        assert explain(parsed, event, _HEADERS, NOW, UTC).matched is matched


def wire(data: bytes) -> None:
    """However a sender's bytes are cut, they are taken for the same requests, with the same answers."""
    whole, cut = (asyncio.run(converse(pieces)) for pieces in ([data], [bytes((one,)) for one in data]))
    assert whole == cut


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    one.__name__: one for one in (body, numbers, parameters, headers, signature, token, filters, wire)
}
