"""Reports on ``inlet.activity``: what became of requests, as counts and as pointers to where they are.

The ingress reports once a second for each integration, normalizer and trigger once for each transaction; nobody a
request in a record of its own, and nobody a body.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from libs.deduplication import Hasher
from libs.messages import Message, Position
from libs.parameters import ABSENT

RECENT_LIMIT: Final = 200
"""How many of the latest requests to an integration are found by a pointer."""

TEXT_LIMIT: Final = 200
"""How much is kept of a value that a sender has chosen, in characters."""

MATCHES_LIMIT: Final = 20
"""How many of the Business Events that an event has matched are named."""


class Input(Message, frozen=True, kw_only=True):
    """A parameter that identifies a request, and its value; unset where the request has no such parameter."""

    parameter: str
    value: object = UNSET


class Repetition(Message, frozen=True, kw_only=True, tag_field="kind", tag="duplicate"):
    """A request that the ingress found to be a duplicate. `id` would have been that of its event, `at` is RFC 3339.

    `owner` is where the request that it repeats is in ``inlet.requests``, if that is known.
    """

    id: str
    at: str
    inputs: tuple[Input, ...]
    owner: Position | None = None


class Rejection(Message, frozen=True, kw_only=True, tag_field="kind", tag="rejected"):
    """A request that was refused, and why, in words for the integration's owner and without credentials."""

    id: str
    at: str
    status: int
    reason: str


class IngressReport(Message, frozen=True, kw_only=True, tag_field="kind", tag="ingress"):
    """What one ingress has answered for one integration in about a second. `at` is Unix time.

    Of what never becomes a record in ``inlet.requests`` some are in `recent`, however many there were.
    """

    integration_id: str
    at: int
    accepted: int
    duplicates: int
    rejected: int
    recent: tuple[Repetition | Rejection, ...] = ()


class Matched(Struct, frozen=True, array_like=True, tag="matched"):
    """An event, the number of Business Events that it has matched, and the first of their ids; `at` is RFC 3339.

    `request_id` is that of the request that it is a part of, if it is one.
    """

    id: str
    offset: int
    at: str
    count: int
    business_events: tuple[str, ...]
    request_id: str | None = None


class Dropped(Struct, frozen=True, array_like=True, tag="duplicate"):
    """A request whose hash belongs to an earlier one, as the normalizer saw it."""

    id: str
    offset: int
    at: str


class Dead(Struct, frozen=True, array_like=True, tag="dead-letter"):
    """A request or event that became a dead letter."""

    id: str
    offset: int
    at: str
    cause: str
    request_id: str | None = None


Pointer = Matched | Dropped | Dead


class PipelineReport(Message, frozen=True, kw_only=True, tag_field="kind", tag="pipeline"):
    """What ended in one transaction over one partition of a topic: the latest of each integration, the oldest first.

    `dropped` is how many requests to each integration were duplicates, by the minute of their receipt (Unix time). The
    ingress has counted them as accepted.
    """

    topic: str
    partition: int
    ended: dict[str, tuple[Pointer, ...]]
    dropped: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)


Report = IngressReport | PipelineReport
_REPORT: Final = msgspec.json.Decoder(Report)


def decode_report(value: bytes) -> Report:
    """Read a report.

    Raises:
        ValueError: it is none that this version can read (msgspec's DecodeError is a ValueError).
    """
    try:
        report: Report = _REPORT.decode(value)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return report


def inputs_of(hasher: Hasher, headers: Mapping[str, str], body: Mapping[str, object]) -> tuple[Input, ...]:
    """What a request is hashed by, in the order of the names."""
    return tuple(
        Input(parameter=name, value=UNSET if value is ABSENT else value) for name, value in hasher.values(headers, body)
    )


def shortened(value: object) -> object:
    """A leaf of a request within `TEXT_LIMIT`: of a longer text or number the beginning, as text."""
    text = str(value) if isinstance(value, int) else value
    return f"{text[:TEXT_LIMIT]}…" if isinstance(text, str) and len(text) > TEXT_LIMIT else value
