"""One event against the rules as they are now: what it is told from others by, and how every condition comes out."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from libs.activity import Input, inputs_of
from libs.deduplication import Hasher, scope_of_parts
from libs.filters import Outcome, TooCostlyError, explain, parse
from services.config.definitions import BusinessEvent, Draft

BUSINESS_EVENTS_LIMIT: Final = 200
TEXT_LIMIT: Final = 1_000
VALUES_LIMIT: Final = 20
TIME_LIMIT_S: Final = 3.0


class Document(Struct, frozen=True, kw_only=True):
    """What of an event is evaluated. `received_at` is aware."""

    headers: Mapping[str, str]
    body: Mapping[str, object]
    received_at: datetime


class BusinessEventEvaluation(Struct, frozen=True, kw_only=True):
    """A Business Event as it is now, and whether the event satisfies it: None if to see that would take too long.

    `conditions` are in the order in which they are written; of long values they have the beginning.
    """

    id: str
    name: str
    state: Literal["active", "paused"]
    version: int
    matched: bool | None
    conditions: Sequence[Outcome]


def identify(
    integration_id: str, rules: Draft | None, headers: Mapping[str, str], body: Mapping[str, object]
) -> tuple[tuple[Input, ...], str | None]:
    """What an event is told from others by under these rules, and its hash; nothing and None where it is by nothing."""
    if rules is None or rules.deduplication is None:
        return (), None
    scope = scope_of_parts(integration_id) if rules.splits_batches else integration_id
    hasher = Hasher(scope, rules.deduplication.parameters)
    return inputs_of(hasher, headers, body), hasher(headers, body)


def evaluate(
    business_events: Sequence[BusinessEvent], document: Document, zone: tzinfo, limit_s: float = TIME_LIMIT_S
) -> list[BusinessEventEvaluation]:
    """Evaluate the filters, as far as a bounded time allows; takes processor time, so not for the event loop."""
    end_s = time.monotonic() + limit_s
    return [_evaluate(one, document, zone, in_time=time.monotonic() < end_s) for one in business_events]


def _evaluate(one: BusinessEvent, document: Document, zone: tzinfo, *, in_time: bool) -> BusinessEventEvaluation:
    matched: bool | None = None
    conditions: Sequence[Outcome] = ()
    if in_time:
        try:
            found = explain(parse(one.where), document.body, document.headers, document.received_at, zone)
        except TooCostlyError:
            pass
        else:
            matched = found.matched
            conditions = [replace(outcome, actual=shortened(outcome.actual)) for outcome in found.outcomes]
    return BusinessEventEvaluation(
        id=one.id, name=one.name, state=one.state, version=one.version, matched=matched, conditions=conditions
    )


def shortened(value: object) -> object:
    """A value of any size within `TEXT_LIMIT` characters, and an array of them within `VALUES_LIMIT`."""
    if isinstance(value, list):
        return [*map(_short, value[:VALUES_LIMIT]), *(["…"] if len(value) > VALUES_LIMIT else [])]
    return _short(value)


def _short(value: object) -> object:
    if isinstance(value, dict | list):
        text = msgspec.json.encode(value).decode()
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, str):
        text = value
    else:
        return value
    return f"{text[:TEXT_LIMIT]}…" if len(text) > TEXT_LIMIT else value
