"""Small ledgers for the tests of the verifier: what was sent, and everything as it should be on the topics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from libs import topics
from libs.identifiers import new_event_id, trigger_id
from tests.chaos.history import (
    NO_ANSWER,
    Attempt,
    BusinessEventSeen,
    DeadLetterSeen,
    EventSeen,
    History,
    Kind,
    Message,
    Place,
    RequestSeen,
    Topics,
    TriggerSeen,
)
from tests.chaos.verifier import Breach, verify

NAMES = {kind: str(uuid4()) for kind in Kind}
BUSINESS_EVENTS = {kind: str(uuid4()) for kind in Kind}
# Everything was defined at offset 0, and every ingress had read it.
KNOWN = 1


@dataclass
class Ledger:
    """Lists that a test changes before it asks."""

    history: History = field(default_factory=lambda: History(kinds={name: kind for kind, name in NAMES.items()}))
    requests: list[RequestSeen] = field(default_factory=list)
    events: list[EventSeen] = field(default_factory=list)
    triggers: list[TriggerSeen] = field(default_factory=list)
    dead_letters: list[DeadLetterSeen] = field(default_factory=list)
    aborted: set[Place] = field(default_factory=set)
    business_events: list[BusinessEventSeen] = field(
        default_factory=lambda: [
            BusinessEventSeen(id=BUSINESS_EVENTS[kind], integration=NAMES[kind], offset=0, injection=None)
            for kind in Kind
        ]
    )

    def send(self, kind: Kind, groups: str | Sequence[str], *statuses: int, injection: int = 0) -> list[str]:
        """Note a message with an answer for each of its attempts; nothing is stored by that. The attempts' ids."""
        now = float(sum(len(message.attempts) for message in self.history.messages))
        attempts = [
            Attempt(id=f"a{now:.0f}.{i}", at_s=now + i, ended_s=now + i + 0.5, status=status)
            for i, status in enumerate(statuses)
        ]
        names = (groups,) if isinstance(groups, str) else tuple(groups)
        self.history.messages.append(
            Message(integration=NAMES[kind], groups=names, injection=injection, attempts=attempts)
        )
        return [attempt.id for attempt in attempts]

    def store(self, attempt_id: str) -> str:
        """Put an attempt on the topic of requests; the id that its event has to have."""
        event_id = new_event_id()
        place = Place(topics.REQUESTS, 0, len(self.requests))
        self.requests.append(RequestSeen(place=place, event_id=event_id, attempt=attempt_id))
        for message in self.history.messages:
            for attempt in message.attempts:
                if attempt.id == attempt_id and attempt.status == 200:
                    attempt.request_id = event_id
        return event_id

    def emit(self, attempt_id: str, *, group: str | None = None, event_id: str | None = None) -> EventSeen:
        """Put an attempt on all topics, as an event with its trigger."""
        request_id = event_id or self.store(attempt_id)
        message = next(one for one in self.history.messages if attempt_id in [some.id for some in one.attempts])
        kind = self.history.kinds[message.integration]
        event = EventSeen(
            place=Place(topics.EVENTS, 0, len(self.events)),
            id=request_id if kind is not Kind.PARTS else str(uuid4()),
            request_id=request_id,
            integration=message.integration,
            attempt=attempt_id,
            group=group or message.groups[0],
            injection=message.injection,
            definitions_offset=KNOWN,
        )
        self.events.append(event)
        self.trigger(event, BUSINESS_EVENTS[kind])
        return event

    def trigger(self, event: EventSeen, business_event: str) -> None:
        self.triggers.append(
            TriggerSeen(
                place=Place(topics.TRIGGERS, 0, len(self.triggers)),
                id=trigger_id(event.id, business_event),
                event_id=event.id,
                business_event=business_event,
            )
        )

    def breaches(self) -> list[Breach]:
        """What the verifier says."""
        on_topics = Topics(
            requests=self.requests,
            events=self.events,
            triggers=self.triggers,
            dead_letters=self.dead_letters,
            business_events=self.business_events,
            aborted=frozenset(self.aborted),
        )
        return [finding.breach for finding in verify(self.history, on_topics)]


def delivered() -> Ledger:
    """A ledger in which everything is as it should be, with all that may be."""
    ledger = Ledger()
    for status in (200, NO_ANSWER):  # the second was taken, and its sender does not know
        [plain] = ledger.send(Kind.PLAIN, "x", status)
        ledger.emit(plain)
    ledger.send(Kind.PLAIN, "x", 503)  # and this one was not
    for kind in (Kind.REJECT, Kind.ACCEPT):
        first, second, _ = ledger.send(kind, "g", 503, 200, 204)
        ledger.store(first)
        ledger.emit(second)
        [lone, _] = ledger.send(kind, "h", NO_ANSWER, 204)  # its 200 was lost with the answer
        ledger.emit(lone)
    [one] = ledger.send(Kind.PARTS, ["p", "q"], 200)
    event = ledger.emit(one, group="p")
    ledger.emit(one, group="q", event_id=event.request_id)
    [again] = ledger.send(Kind.PARTS, ["q"], 200)
    ledger.store(again)
    return ledger
