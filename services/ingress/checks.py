"""The checks that a request passes before it is published, as pure functions."""

import re
from collections.abc import Collection, Iterable, Mapping, Sized
from functools import lru_cache
from itertools import chain
from typing import Final

from libs import bodies
from libs.credentials import is_credential
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Denial

# They travel with the record, which Kafka would refuse if a stranger could make it any size.
HEADERS_LIMIT_BYTES: Final = 64 * 1024
# What a header takes in memory beside its bytes.
HEADER_COST_BYTES: Final = 150

_PATH: Final = re.compile(
    rb"/automation-endpoint/endpoints/authorized/"
    rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/trigger"
)


def integration_id(raw_path: bytes) -> str | None:
    """The id in an endpoint's path as it was sent; only the canonical lower-case form of a UUID is one."""
    match = _PATH.fullmatch(raw_path)
    return match[1].decode() if match else None


def size_of(raw: Collection[tuple[bytes, bytes]]) -> int:
    """The bytes of the lines of the headers, each with its colon, space, and line end."""
    return sum(map(len, chain.from_iterable(raw))) + 4 * len(raw)


def cost_of(raw: Sized, size: int) -> int:
    """What headers of this size, see `size_of`, take in memory."""
    return size + HEADER_COST_BYTES * len(raw)


def has_body(raw: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows headers with lower-case names (RFC 9112, section 6.3)."""
    return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in raw)


def fold_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as parameters: lower-case names, Latin-1 values, repeated ones joined, credentials left out."""
    headers: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for raw_name, raw_value in raw:
        name = _parameter_name(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        if name in headers:
            repeated.setdefault(name, [headers[name]]).append(value)
        else:
            headers[name] = value
    for name, values in repeated.items():
        headers[name] = ", ".join(values)
    return headers


@lru_cache(maxsize=4096)
def _parameter_name(raw_name: bytes) -> str | None:
    name = raw_name.decode("latin-1").lower()
    return None if is_credential(name) else name


def refuse_head(method: str, headers: Mapping[str, str], body_limit_bytes: int) -> HttpAnswer | None:
    """The first objection to a request before its body is read, or None."""
    if method != "POST":
        return answers.METHOD_NOT_ALLOWED
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return answers.UNSUPPORTED_TYPE
    # Python refuses to read thousands of digits; the server, more than 20 after the zeros.
    if int(headers.get("content-length", "").lstrip("0") or "0") > body_limit_bytes:
        return answers.TOO_LARGE
    if headers.get("content-encoding", "identity").lower() != "identity":
        return answers.UNSUPPORTED_ENCODING
    return None


def reason_of(refused: Denial | HttpAnswer, headers: Iterable[tuple[bytes, bytes]], raw: bytes) -> str:
    """Why a request was refused, for the owner of its integration; without a credential, and without the body."""
    if isinstance(refused, Denial):
        return refused.reason
    match refused.status:
        case 400:
            return f"The body is not a JSON object within the limits: {_fault_of(raw)}"
        case 415 if refused is answers.UNSUPPORTED_TYPE:
            stated = fold_headers(headers).get("content-type", "").partition(";")[0]
            return f"Content-Type is '{stated[:100]}', not application/json" if stated else "Content-Type is missing"
        case 429:
            return "The rate limit of the integration was reached"
        case 503:
            return "It could not be stored in time, so the sender was asked to send it again"
        case _:
            return refused.body.decode()


def _fault_of(raw: bytes) -> str:
    try:
        bodies.decode_body(raw)
    except bodies.BodyError as error:
        return str(error)
    return "split, its events would be too large together"  # the limit that only some integrations have
