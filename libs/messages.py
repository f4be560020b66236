"""Messages on the topics: one struct for each, and the Kafka headers that carry a request's metadata.

Fields are added, never renamed or repurposed: a consumer of an older version ignores what it does not know.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

KafkaHeaders = Sequence[tuple[str, bytes]]


class Position(NamedTuple):
    """Where a record is in ``inlet.requests``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object on a topic, camelCase names."""


class IntegrationRef(Message, frozen=True, kw_only=True):
    """The integration, and its published version, that accepted an event."""

    id: str
    name: str
    version: int


class Source(Message, frozen=True, kw_only=True):
    """Where a request came in. Constant per published version, so the ingress encodes it once."""

    workspace: str
    integration: IntegrationRef


class Event(Message, frozen=True, kw_only=True):
    """One clean event on ``inlet.events``. `received_at` is RFC 3339 UTC with microseconds.

    `request_id` is the id of the request that it is a part of, if it is one of several.
    """

    id: str
    request_id: str | UnsetType = UNSET
    workspace: str
    integration: IntegrationRef
    received_at: str
    headers: dict[str, str]
    body: dict[str, object]
    parameters: dict[str, object]


class BusinessEventRef(Message, frozen=True, kw_only=True):
    """The Business Event, and its version, that matched."""

    id: str
    name: str
    version: int


class Trigger(Message, frozen=True, kw_only=True):
    """One match on ``inlet.triggers``. `event` is the event's JSON, byte for byte."""

    id: str
    business_event: BusinessEventRef
    event: msgspec.Raw


class NoAuth(Message, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Anyone who knows the URL may send. `kind` must be said: no auth is never what is left when nothing is."""


class JwtAuth(Message, frozen=True, kw_only=True, tag_field="kind", tag="jwt"):
    """Only with a token that was made from this API key."""

    api_key_id: str


class MetaAuth(Message, frozen=True, kw_only=True, tag_field="kind", tag="meta"):
    """Signed as the webhooks of Meta are.

    Secrets are sealed (`libs.sealing`) for the places that `app_secret_place` and `verify_token_place` name. There
    are several app secrets during a rotation. With `split_batches` each ``entry[].changes[]`` is an event of its own.
    """

    app_secrets: tuple[str, ...]
    verify_token: str
    split_batches: bool = False


Auth = NoAuth | JwtAuth | MetaAuth


def app_secret_place(integration_id: str) -> str:
    """What the app secrets of an integration are sealed for."""
    return f"meta-app-secret/{integration_id}"


def verify_token_place(integration_id: str) -> str:
    """What the verify token of an integration is sealed for."""
    return f"meta-verify-token/{integration_id}"


class Deduplication(Message, frozen=True, kw_only=True):
    """The parameters whose values identify a request, and what the ingress does while Redis is down."""

    parameters: tuple[str, ...]
    on_redis_down: Literal["reject", "accept"] = "reject"


class RateLimit(Message, frozen=True, kw_only=True):
    """A token bucket: `burst` requests at once, refilled at `per_second`. Of the integration, not of a replica."""

    per_second: float
    burst: int


class _Integration(Message, frozen=True, kw_only=True):
    id: str
    workspace: str
    name: str
    version: int
    auth: Auth
    deduplication: Deduplication | None = None
    rate_limit: RateLimit | None = None


class Integration(_Integration, frozen=True, kw_only=True, tag_field="kind", tag="integration"):
    """A published integration on ``inlet.definitions``."""


class DraftIntegration(_Integration, frozen=True, kw_only=True, tag_field="kind", tag="draft"):
    """An integration that is not published: for the handshake of Meta, and for captures. It takes no requests."""


class Capture(Message, frozen=True, kw_only=True, tag_field="kind", tag="capture"):
    """An armed sample capture. `id` is the integration's, `expires_at` RFC 3339; it is deleted when it is over."""

    id: str
    generation: int
    expires_at: datetime


class ApiKey(Message, frozen=True, kw_only=True, tag_field="kind", tag="api-key"):
    """The public side of an API key that is not revoked. Without `allowed_ips`, networks in CIDR, from anywhere."""

    id: str
    workspace: str
    permissions: tuple[str, ...]
    expires_at: datetime | None = None
    allowed_ips: tuple[str, ...] = ()


class SigningKey(Message, frozen=True, kw_only=True, tag_field="kind", tag="signing-key"):
    """The public key that verifies tokens whose header has its id as ``kid``: RS512, PEM (SubjectPublicKeyInfo)."""

    id: str
    workspace: str
    public_key: str


class BusinessEvent(Message, frozen=True, kw_only=True, tag_field="kind", tag="business-event"):
    """A Business Event on ``inlet.definitions``. `where` is the source of its filter, `time_zone` an IANA name."""

    id: str
    workspace: str
    name: str
    version: int
    integration_id: str
    state: Literal["active", "paused"]
    where: dict[str, object]
    time_zone: str = "UTC"


class Sample(Message, frozen=True, kw_only=True, tag_field="kind", tag="sample"):
    """A request that a capture has seen, on ``inlet.samples``. `body` is the sender's bytes."""

    integration_id: str
    generation: int
    received_at: str
    headers: dict[str, str]
    body: msgspec.Raw


class RefusedSample(Message, frozen=True, kw_only=True, tag_field="kind", tag="refused"):
    """A request that was refused while a capture was armed, and why, in words for the integration's owner."""

    integration_id: str
    generation: int
    received_at: str
    status: int
    reason: str


class Undecodable(Struct, frozen=True, kw_only=True):
    """A definition that this version cannot read. It exists, so it is never treated as deleted."""

    reason: str


Definition = Integration | DraftIntegration | Capture | ApiKey | SigningKey | BusinessEvent
_DEFINITION: Final = msgspec.json.Decoder(Definition)


def definition_key(definition: Definition) -> bytes:
    """The record key on the compacted topic: ``<kind>/<id>``, such as ``integration/<id>``."""
    return f"{type(definition).__struct_config__.tag}/{definition.id}".encode()


def decode_definition(value: bytes) -> Definition | Undecodable:
    """Read a definition; one of a later version with, say, an unknown auth kind is `Undecodable`."""
    try:
        definition: Definition = _DEFINITION.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Undecodable(reason=str(error))
    return definition


EVENT_ID: Final = "inlet-event-id"
RECEIVED_AT: Final = "inlet-received-at"
SOURCE: Final = "inlet-source"
HEADERS: Final = "inlet-headers"
DEDUPLICATED: Final = "inlet-deduplicated"
# On requests and on events: the end of ``inlet.definitions`` as the ingress knew it when it accepted the request. What
# was defined before that decides about the event, so the trigger service waits until it knows as much.
DEFINITIONS_OFFSET: Final = "inlet-definitions-offset"
_OFFSET_DIGITS: Final = 19
# On requests that are split into several events: an encoded `Batch`.
BATCH: Final = "inlet-batch"
# On events that are a part of a request and deduplicated: their hash. The key of others is theirs, or their id.
PART_HASH: Final = "inlet-part-hash"


class Batch(Message, frozen=True, kw_only=True):
    """How a request is split: each ``entry[].changes[]`` is an event, deduplicated by its own `parameters` if any."""

    parameters: tuple[str, ...] = ()


class RequestMetadata(Struct, frozen=True, kw_only=True):
    """What a record on ``inlet.requests`` says beside the body. If `deduplicated`, its key is the hash.

    A record with a `batch` is split by the normalizer, and is never `deduplicated` as a whole.
    """

    event_id: str
    received_at: str
    source: Source
    headers: dict[str, str]
    deduplicated: bool
    definitions_offset: int
    batch: Batch | None = None


_SOURCE: Final = msgspec.json.Decoder(Source)
_HEADERS: Final = msgspec.json.Decoder(dict[str, str])
_BATCH: Final = msgspec.json.Decoder(Batch)


def ascii_json(value: object) -> bytes:
    """JSON in ASCII only, as Kafka headers need it."""
    encoded = msgspec.json.encode(value)
    return encoded if encoded.isascii() else json.dumps(json.loads(encoded), separators=(",", ":")).encode()


def encode_metadata(  # noqa: PLR0913 keywords, one for each header
    *,
    event_id: str,
    received_at: str,
    source: bytes,
    headers: Mapping[str, str],
    deduplicated: bool,
    definitions_offset: int,
    batch: bytes | None = None,
) -> list[tuple[str, bytes]]:
    """The Kafka headers of a request; `source`, and `batch` if it is split, come ready from `ascii_json`."""
    kafka_headers = [
        (EVENT_ID, event_id.encode()),
        (RECEIVED_AT, received_at.encode()),
        (SOURCE, source),
        (HEADERS, ascii_json(headers)),
        (DEFINITIONS_OFFSET, b"%d" % definitions_offset),
    ]
    if deduplicated:
        kafka_headers.append((DEDUPLICATED, b"1"))
    if batch is not None:
        kafka_headers.append((BATCH, batch))
    return kafka_headers


def decode_metadata(kafka_headers: KafkaHeaders) -> RequestMetadata:
    """The inverse of `encode_metadata`.

    Raises:
        ValueError: a header is missing or cannot be read (msgspec's DecodeError is a ValueError).
    """
    found = dict(kafka_headers)
    missing = [name for name in (EVENT_ID, RECEIVED_AT, SOURCE, HEADERS) if name not in found]
    if missing:
        raise ValueError(f"missing Kafka headers: {', '.join(missing)}")
    return RequestMetadata(
        event_id=found[EVENT_ID].decode("ascii"),
        received_at=found[RECEIVED_AT].decode("ascii"),
        source=_SOURCE.decode(found[SOURCE]),
        headers=_HEADERS.decode(found[HEADERS]),
        deduplicated=DEDUPLICATED in found,
        definitions_offset=definitions_offset(kafka_headers),
        batch=_BATCH.decode(found[BATCH]) if BATCH in found else None,
    )


def definitions_offset(kafka_headers: Iterable[tuple[str, bytes | None]]) -> int:
    """The offset in `DEFINITIONS_OFFSET`; 0 where there is none, or nothing that could be one."""
    for name, value in kafka_headers:
        if name == DEFINITIONS_OFFSET and value is not None and value.isdigit() and len(value) < _OFFSET_DIGITS:
            return int(value)
    return 0
