"""The acceptance of a checked request: published, and where the integration deduplicates, claimed."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from libs.claims import Answer, Claims, ClaimsUnavailableError
from libs.messages import Position, encode_metadata
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.integrations import Route
from services.ingress.timestamps import rfc3339


class Record(NamedTuple):
    """One record for the log."""

    key: str
    value: bytes
    headers: list[tuple[str, bytes]]
    # Hex digits: records with the same ones meet in one partition. None where any will do.
    place: str | None


def place_of(integration_id: str) -> str:
    """The place of all records of an integration: the last group of its id, a UUID, which is random."""
    return integration_id.rpartition("-")[2]


class RecordLog(Protocol):
    """A topic."""

    async def append(self, record: Record) -> Position | None:
        """Where the record is durable, or None if that is not known in time: it may be stored or not."""
        ...


class Acceptance:
    """Makes requests durable and decides which of them are duplicates."""

    def __init__(self, log: RecordLog, claims: Claims, definitions_offset: Callable[[], int]) -> None:
        """`definitions_offset` is how far the view of the definitions is that routes come from."""
        self._log = log
        self._claims = claims
        self._definitions_offset = definitions_offset

    async def accept(
        self, event_id: str, route: Route, headers: Mapping[str, str], raw: bytes, dedup_hash: str | None
    ) -> HttpAnswer:
        """Take a request whose checks have passed, to become the event of this id; with `dedup_hash` once only.

        The answer to a duplicate is `route.duplicate` itself.
        """
        metadata = encode_metadata(
            event_id=event_id,
            received_at=rfc3339(time.time_ns(), 6),
            source=route.source,
            headers=headers,
            deduplicated=dedup_hash is not None,
            definitions_offset=self._definitions_offset(),
            batch=route.batch,
        )
        if dedup_hash is not None:
            return await self._accept_once(route, event_id, Record(dedup_hash, raw, metadata, place=dedup_hash))
        record = Record(event_id, raw, metadata, place=None)
        if route.batch is not None:
            # The normalizer deduplicates the parts of a batch: equal ones meet where the whole integration does.
            record = Record(route.id, raw, metadata, place=place_of(route.id))
        position = await self._log.append(record)
        return answers.UNAVAILABLE if position is None else answers.accepted(event_id)

    async def _accept_once(self, route: Route, event_id: str, record: Record) -> HttpAnswer:
        # The order of these steps is the guarantee; the protocol is `libs.claims`.
        # 1. TOUCH. A hash that is known belongs to a durable record: nothing is published.
        try:
            answer = await self._claims.touch(record.key)
        except ClaimsUnavailableError:
            if route.requires_claims:
                return answers.UNAVAILABLE
            answer = Answer.MISS
        if answer is not Answer.MISS:
            return _reply(route, answer, event_id)
        # 2. Publish and wait. Without a position nothing is claimed and the sender is told to send again: should
        #    the record turn up after all, it is one more record of this hash for the normalizer.
        position = await self._log.append(record)
        if position is None:
            return answers.UNAVAILABLE
        # 3. CLAIM for the durable record. Two at once have both come here, one of them gets the 200.
        try:
            answer = await self._claims.claim(record.key, position)
        except ClaimsUnavailableError:
            return answers.UNAVAILABLE if route.requires_claims else answers.accepted(event_id)
        return _reply(route, answer, event_id)


def _reply(route: Route, answer: Answer, event_id: str) -> HttpAnswer:
    if answer is Answer.DUPLICATE:
        return route.duplicate
    return answers.accepted(event_id) if answer is Answer.GRANTED else answers.ACCEPTED_ELSEWHERE
