"""What is on ``inlet.dead-letters``, as values: dead letters, and resolutions that say what became of some of them.

A resolution follows the dead letters that it resolves, in their partition, so it is kept for as long as they are.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec
from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from libs import topics
from libs.exactly_once import outcomes
from libs.exactly_once.outcomes import Output
from libs.messages import EVENT_ID, RECEIVED_AT, SOURCE, IntegrationRef, Source
from libs.replays import REPLAY_OF, Origin, origin_of
from services.config.errors import UnavailableError

Action = Literal["replayed", "discarded"]

RESOLUTION: Final = "inlet-resolution"
"""The header of a resolution. Its value is its `Action`."""
UNKNOWN: Final = "unknown"
"""The cause of a record that is no dead letter of this version. It cannot be replayed."""
_PLACE: Final = re.compile(r"([0-9]{1,9})[:-]([0-9]{1,18})")
_ADDED: Final = frozenset({outcomes.CAUSE, outcomes.SERVICE, outcomes.TOPIC, outcomes.PARTITION, outcomes.OFFSET})
_REPLAYABLE: Final = frozenset({topics.REQUESTS, topics.EVENTS})


class Resolution(Struct, frozen=True, kw_only=True):
    """What became, at a time, of the dead letters with these offsets in the same partition."""

    action: Action
    at: datetime
    offsets: tuple[int, ...]


class Place(NamedTuple):
    """Where a dead letter is in its topic; as text ``<partition>-<offset>``, and read with a colon too."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def of(cls, text: str) -> "Place":
        """The place with this text.

        Raises:
            ValueError: there is none.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))


class Key(NamedTuple):
    """What dead letters are in order by: their time, and where several have the same their place."""

    at_ms: int
    place: Place

    def __str__(self) -> str:
        return f"{self.at_ms}-{self.place}"

    @classmethod
    def of(cls, text: str) -> "Key":
        """The key with this text.

        Raises:
            ValueError: there is none.
        """
        at_ms, _, place = text.partition("-")
        return cls(int(at_ms), Place.of(place))


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter without its bytes. `origin` is where its record was; None if that is not known.

    Of the record itself is known what it says, in a form that can be read.
    """

    place: Place
    at: datetime
    cause: str
    service: str
    origin: Origin | None
    size_bytes: int
    event_id: str | None = None
    received_at: str | None = None
    workspace: str | None = None
    integration: IntegrationRef | None = None

    @property
    def key(self) -> Key:
        return Key(round(self.at.timestamp() * 1000), self.place)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which dead letters somebody means: those that all of this is true of. `since` and `until` are of `Letter.at`."""

    workspace: str | None = None
    integration: str | None = None
    cause: str | None = None
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    place: Place | None = None

    def fits(self, letter: Letter) -> bool:
        integration = letter.integration.id if letter.integration else None
        return (
            self.workspace in {None, letter.workspace}
            and self.integration in {None, integration}
            and self.cause in {None, letter.cause}
            and self.service in {None, letter.service}
            and self.place in {None, letter.place}
            and (self.since is None or self.since <= letter.at)
            and (self.until is None or letter.at < self.until)
        )


class _Event(Struct, frozen=True, rename="camel"):
    id: str
    workspace: str
    integration: IntegrationRef
    received_at: str


_EVENT: Final = msgspec.json.Decoder(_Event)
_SOURCE: Final = msgspec.json.Decoder(Source)
_RESOLUTION: Final = msgspec.json.Decoder(Resolution)


def read(record: ConsumerRecord) -> Letter | Resolution:
    """What a record of the topic is.

    Raises:
        UnavailableError: a resolution that this version cannot read, so that it is not known what is open.
    """
    found = dict(record.headers)
    if RESOLUTION in found:
        return _resolution(record)
    origin = _origin(found)
    said = _said(found, record.value or b"", origin)
    return Letter(
        place=Place(record.partition, record.offset),
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        cause=(origin and _text(found.get(outcomes.CAUSE))) or UNKNOWN,
        service=_text(found.get(outcomes.SERVICE)) or UNKNOWN,
        origin=origin,
        size_bytes=len(record.value or b""),
        event_id=said.id if said else None,
        received_at=said.received_at if said else None,
        workspace=said.workspace if said else None,
        integration=said.integration if said else None,
    )


def original(record: ConsumerRecord, now_ms: int) -> Output:
    """The record as it was before it became a dead letter, to be written anew where it was, and told by its header.

    It keeps its key, and with it the order among equal ones, its event id and its time of receipt. As a record it is of
    now, because it is kept for some days from then on.

    Raises:
        ValueError: it is not known where that was.
    """
    origin = _origin(dict(record.headers))
    if origin is None:
        raise ValueError(f"no dead letter of this version: {Place(record.partition, record.offset)}")
    first = origin_of(record.headers)
    if first is None or first.topic != origin.topic:  # as of an event of a replayed request
        first = origin
    headers = [(name, value) for name, value in record.headers if name not in _ADDED and name != REPLAY_OF]
    headers.append((REPLAY_OF, str(first).encode()))
    return Output(topic=origin.topic, key=record.key, value=record.value, headers=headers, timestamp_ms=now_ms)


def resolution(action: Action, offsets: Iterable[int], now: datetime) -> Output:
    """The record that says that these dead letters are resolved."""
    said = Resolution(action=action, at=now, offsets=tuple(offsets))
    return Output(
        topic=topics.DEAD_LETTERS,
        key=None,
        value=msgspec.json.encode(said),
        headers=[(RESOLUTION, action.encode())],
        timestamp_ms=int(now.timestamp() * 1000),
    )


def _resolution(record: ConsumerRecord) -> Resolution:
    try:
        return _RESOLUTION.decode(record.value or b"")
    except (ValueError, RecursionError) as error:
        at = Place(record.partition, record.offset)
        raise UnavailableError(
            f"What {at} of {topics.DEAD_LETTERS} resolves cannot be read by this version. Use the one that wrote it."
        ) from error


def _origin(found: dict[str, bytes | None]) -> Origin | None:
    topic = _text(found.get(outcomes.TOPIC))
    place = f"{_text(found.get(outcomes.PARTITION))}:{_text(found.get(outcomes.OFFSET))}"
    return Origin(topic, *Place.of(place)) if topic in _REPLAYABLE and _PLACE.fullmatch(place) else None


def _said(found: dict[str, bytes | None], value: bytes, origin: Origin | None) -> _Event | None:
    """What the record itself says of its event, in its headers or as the event that it is."""
    try:
        if origin is not None and origin.topic == topics.EVENTS:
            return _EVENT.decode(value)
        source = _SOURCE.decode(found.get(SOURCE) or b"")
    except (ValueError, RecursionError):
        return None
    return _Event(_text(found.get(EVENT_ID)), source.workspace, source.integration, _text(found.get(RECEIVED_AT)))


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace")
