"""The normalizer's step: requests in, events, duplicates and dead letters out."""

from collections import Counter
from collections.abc import Iterator, Sequence

from libs import telemetry
from libs.claims import Claims, Replayed
from libs.exactly_once.outcomes import DeadLetter, Decider, Decision, Outcome, Record
from libs.messages import Position
from libs.replays import origin_of
from services.normalizer.endings import ended
from services.normalizer.normalize import CleanEvent, normalize


class Normalizer:
    """Decides about portions of requests, with the claims of all before."""

    def __init__(self, claims: Claims, decider: Decider[Sequence[CleanEvent]]) -> None:
        self._claims = claims
        self._decider = decider

    async def step(self, records: Sequence[Record]) -> list[Decision]:
        """Decide about requests of one partition, in order, see `Stage`.

        Raises:
            ClaimsUnavailableError: the store does not answer. Asking again about the same records changes nothing.
        """
        decisions = await self._decider.each(normalize, records)
        claimed = [
            (event.claim, _place_of(record))
            for record, decision in zip(records, decisions, strict=False)  # all, or the first of them
            if not isinstance(decision, DeadLetter)
            for event in decision
            if event.claim is not None
        ]
        is_first = iter(await self._claims.resolve(claimed) if claimed else ())
        outcomes = [_resolved(decision, is_first) for decision in decisions]
        return [Decision(outcome, ended(record, outcome)) for record, outcome in zip(records, outcomes, strict=False)]


def _place_of(record: Record) -> Position | Replayed:
    origin = origin_of(record.headers)
    if origin is not None:
        return Replayed(Position(origin.partition, origin.offset))
    return Position(record.partition, record.offset)


def _resolved(decision: Sequence[CleanEvent] | DeadLetter, is_first: Iterator[bool]) -> Outcome:
    if isinstance(decision, DeadLetter):
        return decision
    return [event.output for event in decision if event.claim is None or next(is_first)]


def count(outcomes: Sequence[Outcome]) -> None:
    """Count what became of committed requests."""
    for name, number in Counter(map(_name, outcomes)).items():
        telemetry.EVENTS.labels(name).inc(number)


def _name(outcome: Outcome) -> str:
    if isinstance(outcome, DeadLetter):
        return "dead-letter"
    return "event" if outcome else "duplicate"
