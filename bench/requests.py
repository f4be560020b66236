"""What senders send: webhooks of 892 bytes, each with an id of its own or one that was sent before."""

import hashlib
import hmac
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from bench.definitions import APP_SECRET
from bench.matching import event
from libs.messages import Integration

BODY_BYTES: Final = 892
_ID_DIGITS: Final = 12
_MARK: Final = "#" * _ID_DIGITS

Head = Callable[[bytes], bytes]


def bodies(ids: Iterator[int]) -> Iterator[bytes]:
    """Bodies that differ in ``body.id`` only."""
    before, after = _document().split(_MARK.encode())
    for number in ids:
        yield before + b"%0*d" % (_ID_DIGITS, number) + after


def fresh() -> Iterator[int]:
    """Ids that nobody has used."""
    return itertools.count(random.randrange(10**9) * 1_000)  # noqa: S311


def mostly_known(known: int, share: float, seed: int) -> Iterator[int]:
    """Ids of which such a share is among the first so many, and the others are new."""
    chance, new = random.Random(seed), itertools.count(known + seed * 1_000_000)  # noqa: S311
    while True:
        yield chance.randrange(known) if chance.random() < share else next(new)


def posts(integration: Integration, some: Iterator[bytes], head: Head = lambda _: b"") -> Iterator[bytes]:
    """Requests to an integration; `head` makes further header lines from a body."""
    start = (
        b"POST /automation-endpoint/endpoints/authorized/%b/trigger HTTP/1.1\r\n"
        b"Host: hooks.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n"
    ) % (integration.id.encode(), BODY_BYTES)
    return (b"%b%b\r\n%b" % (start, head(body), body) for body in some)


def signed(body: bytes) -> bytes:
    """The signature of Meta."""
    return b"X-Hub-Signature-256: sha256=%b\r\n" % hmac.new(APP_SECRET, body, hashlib.sha256).hexdigest().encode()


def bearing(token: str) -> Head:
    """The same token with each."""
    line = b"Authorization: Bearer %b\r\n" % token.encode()
    return lambda _: line


def _document() -> bytes:
    body = msgspec.json.decode(event(random.Random(1)), type=dict[str, object])  # noqa: S311
    document = msgspec.json.encode({"id": _MARK, **body})
    padding = body["description"]
    surplus = len(document) - BODY_BYTES
    return document.replace(f"{padding}".encode(), f"{padding}".encode()[surplus:])
