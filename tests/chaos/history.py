"""What senders did and were told, and what is on the topics afterwards: the two sides that the verifier compares."""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

NO_ANSWER = 0
"""In place of a status: the connection ended, or the sender's patience."""


class Kind(enum.StrEnum):
    """How an integration tells requests apart."""

    PLAIN = "not at all"
    REJECT = "by a hash; 503 while Redis is away"
    ACCEPT = "by a hash; 200 while Redis is away"
    PARTS = "each part by a hash, at the normalizer"


class Attempt(Struct, kw_only=True):
    """One request. Its `id` is in the body, so that an event tells which attempt it was made of."""

    id: str
    at_s: float
    ended_s: float
    status: int
    request_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the sender does not know if it was taken."""
        return self.status in {NO_ANSWER, 503}


class Message(Struct, kw_only=True):
    """What a sender wants delivered, with all attempts. Its `groups` say what it equals: one for each part."""

    integration: str
    groups: tuple[str, ...]
    injection: int
    attempts: list[Attempt] = field(default_factory=list)


class History(Struct, kw_only=True):
    """Everything that was sent. `losses` are the injections in which Redis lost its data."""

    kinds: Mapping[str, Kind]
    messages: list[Message] = field(default_factory=list)
    losses: list[int] = field(default_factory=list)


class Place(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class RequestSeen(Struct, frozen=True, kw_only=True):
    """A record of ``inlet.requests``."""

    place: Place
    event_id: str
    attempt: str


class EventSeen(Struct, frozen=True, kw_only=True):
    """A record of ``inlet.events`` that a read_committed consumer sees.

    `request_id` is the id of the request, also where it became one event only; `definitions_offset` says what was
    defined when it was accepted.
    """

    place: Place
    id: str
    request_id: str
    integration: str
    attempt: str
    group: str
    injection: int
    definitions_offset: int


class TriggerSeen(Struct, frozen=True, kw_only=True):
    """A record of ``inlet.triggers`` that a read_committed consumer sees."""

    place: Place
    id: str
    event_id: str
    business_event: str


class DeadLetterSeen(Struct, frozen=True, kw_only=True):
    """A record of ``inlet.dead-letters``."""

    place: Place
    cause: str
    attempt: str


class BusinessEventSeen(Struct, frozen=True, kw_only=True):
    """A Business Event that was never changed: its offset among the definitions, and what it matches.

    `injection` is None where it matches everything.
    """

    id: str
    integration: str
    offset: int
    injection: int | None


class Topics(Struct, frozen=True, kw_only=True):
    """What is on the topics. `aborted` are the records of aborted transactions, as the broker's own files have it."""

    requests: Sequence[RequestSeen]
    events: Sequence[EventSeen]
    triggers: Sequence[TriggerSeen]
    dead_letters: Sequence[DeadLetterSeen]
    business_events: Sequence[BusinessEventSeen]
    aborted: frozenset[Place] = frozenset()
