"""Compares what senders were told with what is on the topics. Pure; every rule is a promise of the product.

A sender that got no answer, or 503, knows nothing: such an attempt may have become an event or not. What equals it
may, then, have been answered 204 without ever a 200.
"""

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct, structs

from libs.identifiers import trigger_id
from tests.chaos.history import (
    Attempt,
    BusinessEventSeen,
    EventSeen,
    History,
    Kind,
    Message,
    Place,
    Topics,
)


class Breach(enum.StrEnum):
    """What can be wrong. EXTRA is not: it is what a Redis that has lost its data may cost."""

    LOST = "lost"
    DOUBLED = "doubled"
    SUPPRESSED = "falsely suppressed"
    REORDERED = "reordered"
    VISIBLE = "aborted but visible"
    EXTRA = "extra"


class Finding(Struct, frozen=True, kw_only=True):
    """A breach, the injection during which the request was sent, and whose history tells more."""

    breach: Breach
    injection: int
    text: str
    attempts: tuple[str, ...] = ()


def verify(history: History, topics: Topics) -> list[Finding]:
    """Everything that is not as promised."""
    ledger = _Ledger(history, topics)
    return [
        *ledger.visibility(),
        *ledger.attempts(),
        *ledger.groups(),
        *ledger.dead_letters(),
        *ledger.order(),
        *ledger.triggers(),
    ]


class _Group(Struct):
    """Everything that equals one another."""

    kind: Kind
    name: str
    messages: list[Message]
    events: list[EventSeen]

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for message in self.messages for attempt in message.attempts]

    @property
    def injections(self) -> range:
        numbers = [message.injection for message in self.messages]
        return range(min(numbers), max(numbers) + 1)

    def finding(self, breach: Breach, text: str) -> Finding:
        ids = tuple(attempt.id for attempt in self.attempts)
        events = tuple(event.attempt for event in self.events if event.attempt not in ids)
        return Finding(breach=breach, injection=self.injections[0], text=f"{self.name}: {text}", attempts=ids + events)


class _Ledger:
    def __init__(self, history: History, topics: Topics) -> None:
        self._history = history
        self._topics = topics
        self._requests = {request.event_id: request.place for request in topics.requests}
        self._by_attempt: dict[str, list[EventSeen]] = defaultdict(list)
        by_group: dict[tuple[str, str], list[EventSeen]] = defaultdict(list)
        for event in topics.events:
            self._by_attempt[event.attempt].append(event)
            by_group[event.integration, event.group].append(event)
        messages: dict[tuple[str, str], list[Message]] = defaultdict(list)
        for message in history.messages:
            for group in message.groups:
                messages[message.integration, group].append(message)
        self._groups = [
            _Group(history.kinds[integration], group, some, by_group[integration, group])
            for (integration, group), some in messages.items()
            if history.kinds[integration] is not Kind.PLAIN
        ]

    def visibility(self) -> Iterator[Finding]:
        """A record that can be read was committed, and its request is durable and was sent."""
        sent = {attempt.id for message in self._history.messages for attempt in message.attempts}
        seen: list[tuple[Place, int]] = [(event.place, event.injection) for event in self._topics.events]
        seen += [(trigger.place, -1) for trigger in self._topics.triggers]
        for place, injection in seen:
            if place in self._topics.aborted:
                yield Finding(breach=Breach.VISIBLE, injection=injection, text=f"{place} is of an aborted transaction")
        for event in self._topics.events:
            request = self._requests.get(event.request_id)
            if request is None or request.partition != event.place.partition:
                yield _of(event, Breach.VISIBLE, "there is no such request in its partition")
            if event.attempt not in sent:
                yield _of(event, Breach.VISIBLE, "nobody has sent this")
        ids = Counter(event.id for event in self._topics.events)
        for event in self._topics.events:
            if ids[event.id] > 1:
                yield _of(event, Breach.DOUBLED, "there are several events with this id")

    def attempts(self) -> Iterator[Finding]:
        """A request that equals no other: after a 200 one event, and never two. Any other is taken in the end."""
        for message in self._history.messages:
            kind = self._history.kinds[message.integration]
            last = message.attempts[-1]
            if kind is not Kind.PLAIN and last.is_open:
                text = f"not taken, though repeated {len(message.attempts)} times"
                yield Finding(breach=Breach.SUPPRESSED, injection=message.injection, text=text, attempts=(last.id,))
            for attempt in message.attempts:
                if breach := _refused(kind, attempt) or (kind is Kind.PLAIN and self._plain(attempt)):
                    yield Finding(breach=breach[0], injection=message.injection, text=breach[1], attempts=(attempt.id,))

    def _plain(self, attempt: Attempt) -> tuple[Breach, str] | None:
        events = self._by_attempt[attempt.id]
        if len(events) > 1:
            return Breach.DOUBLED, f"{len(events)} events of one request"
        if attempt.status == 200 and not events:
            return Breach.LOST, "answered 200, and there is no event"
        if attempt.status == 200 and events[0].id != attempt.request_id:
            return Breach.LOST, f"answered 200 for {attempt.request_id}, and the event is {events[0].id}"
        return None

    def groups(self) -> Iterator[Finding]:
        """Of requests that equal each other one becomes an event, and one is told 200."""
        for group in self._groups:
            given = Counter(attempt.status for attempt in group.attempts)
            losses = [one for one in self._history.losses if one in group.injections]
            events = len(group.events)
            if not events and given[200]:
                yield group.finding(Breach.LOST, f"answered 200 ({given[200]} times), and there is no event")
            if not events and given[204]:
                yield group.finding(Breach.SUPPRESSED, f"answered 204 ({given[204]} times), and there is no event")
            yield from _repeated(group, losses)
            if group.kind is Kind.REJECT and not losses:
                yield from _grants(group, given)

    def dead_letters(self) -> Iterator[Finding]:
        """Nothing that was sent is a reason for one."""
        injections = {one.id: message.injection for message in self._history.messages for one in message.attempts}
        for letter in self._topics.dead_letters:
            yield Finding(
                breach=Breach.LOST,
                injection=injections.get(letter.attempt, -1),
                text=f"dead letter {letter.place}: {letter.cause}",
                attempts=(letter.attempt,),
            )

    def order(self) -> Iterator[Finding]:
        """Each partition has its events in the order of its requests, and its triggers in that of its events.

        Requests to one key that follow on another's 200 follow it in the log.
        """
        sources = [(event.place, self._requests.get(event.request_id)) for event in self._topics.events]
        yield from _inversions(sources)
        places = {event.id: event.place for event in self._topics.events}
        yield from _inversions([(one.place, places.get(one.event_id)) for one in self._topics.triggers])
        for integration, kind in self._history.kinds.items():
            if kind is Kind.PARTS:  # all its requests have one key
                yield from self._overtaken(integration)

    def _overtaken(self, integration: str) -> Iterator[Finding]:
        offsets = {request.attempt: request.place.offset for request in self._topics.requests}
        taken = [
            (attempt, offsets[attempt.id], message.injection)
            for message in self._history.messages
            for attempt in message.attempts
            if message.integration == integration and attempt.status == 200 and attempt.id in offsets
        ]
        ended = sorted(taken, key=lambda one: one[0].ended_s)
        done, furthest = 0, -1
        for attempt, offset, injection in sorted(taken, key=lambda one: one[0].at_s):
            while ended[done][0].ended_s < attempt.at_s:
                furthest = max(furthest, ended[done][1])
                done += 1
            if offset < furthest:
                text = f"stored at {offset}, after one at {furthest} had been answered 200"
                yield Finding(breach=Breach.REORDERED, injection=injection, text=text, attempts=(attempt.id,))

    def triggers(self) -> Iterator[Finding]:
        """Each match is one trigger, whose id follows from its event and Business Event."""
        listening: dict[str, list[BusinessEventSeen]] = defaultdict(list)
        for one in self._topics.business_events:
            listening[one.integration].append(one)
        given = Counter((trigger.event_id, trigger.business_event) for trigger in self._topics.triggers)
        allowed: set[tuple[str, str]] = set()
        for event in self._topics.events:
            for one in listening[event.integration]:
                if one.injection is not None and one.injection != event.injection:
                    continue
                allowed.add((event.id, one.id))
                count = given[event.id, one.id]
                if count == 0 and one.offset < event.definitions_offset:
                    yield _of(event, Breach.LOST, f"no trigger of Business Event {one.id}")
                if count > 1:
                    yield _of(event, Breach.DOUBLED, f"{count} triggers of Business Event {one.id}")
        for trigger in self._topics.triggers:
            match = (trigger.event_id, trigger.business_event)
            if match not in allowed or trigger.id != trigger_id(*match):
                text = f"{trigger.place}: trigger {trigger.id} of {match} follows from no event that can be read"
                yield Finding(breach=Breach.VISIBLE, injection=-1, text=text)


def _of(event: EventSeen, breach: Breach, text: str) -> Finding:
    text = f"event {event.id} at {event.place}: {text}"
    return Finding(breach=breach, injection=event.injection, text=text, attempts=(event.attempt,))


def _refused(kind: Kind, attempt: Attempt) -> tuple[Breach, str] | None:
    """An answer that a good request must never get."""
    may_repeat = kind in {Kind.REJECT, Kind.ACCEPT}
    if attempt.is_open or attempt.status == 200 or (attempt.status == 204 and may_repeat):
        return None
    return Breach.SUPPRESSED, f"a good request was answered {attempt.status}"


def _repeated(group: _Group, losses: list[int]) -> Iterator[Finding]:
    """Each further event is a double, or extra if Redis lost its data between what it and the last were made of."""
    left = list(losses)
    for before, after in pairwise(sorted(event.injection for event in group.events)):
        between = next((one for one in left if before <= one <= after), None)
        text = f"{len(group.events)} events"
        if between is None:
            yield group.finding(Breach.DOUBLED, text)
        else:
            left.remove(between)
            text = f"{text}, and Redis lost its data in #{between}"
            yield structs.replace(group.finding(Breach.EXTRA, text), injection=between)


def _grants(group: _Group, given: Counter[int]) -> Iterator[Finding]:
    if given[200] > 1:
        yield group.finding(Breach.DOUBLED, f"{given[200]} senders were told 200")
    if not given[200] and not any(attempt.is_open for attempt in group.attempts):
        yield group.finding(Breach.SUPPRESSED, "every answer is known, and nobody was told 200")


def _inversions(placed: Sequence[tuple[Place, Place | None]]) -> Iterator[Finding]:
    partitions: dict[int, list[tuple[Place, Place]]] = defaultdict(list)
    for place, source in placed:
        if source is not None:
            partitions[place.partition].append((place, source))
    for pairs in partitions.values():
        yield from _descents(sorted(pairs))


def _descents(pairs: Iterable[tuple[Place, Place]]) -> Iterator[Finding]:
    for (before, earlier), (after, later) in pairwise(pairs):
        if later < earlier:
            text = f"{before} was made of {earlier}, and {after} of {later}"
            yield Finding(breach=Breach.REORDERED, injection=-1, text=text)
