"""What a run came to, for people: a table in Markdown, and the history of whatever went wrong."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.chaos.history import NO_ANSWER, Topics
from tests.chaos.injections import NOBODY, TARGETS, Fault, Injection
from tests.chaos.load import Mode
from tests.chaos.run import Outcome, Result
from tests.chaos.verifier import Breach, Finding

_TAKEN: Final = (200, 204)
_PUT_OFF: Final = 503
_PUT_OFF_LIMIT: Final = 0.001
_STATUSES: Final = (*_TAKEN, _PUT_OFF, NO_ANSWER)
_SHOWN: Final = 20
_FEW: Final = 100


def passed(result: Result, planned: int) -> bool:
    """Whether every injection was gone through, was recovered from, and cost nothing that was promised.

    Unlike a fault, a restart must not fail requests either.
    """
    recovered = sum(outcome.recovery_s is not None for outcome in result.outcomes)
    return recovered == planned and not failures(result) and _is_served(result)


def _is_served(result: Result) -> bool:
    """Whether restarts cost senders nothing: no request failed, and less than one in a thousand was put off."""
    restarts = [Counter(one.statuses) for one in result.outcomes if one.injection.fault is Fault.RESTART]
    statuses = +sum(restarts, Counter[int]())  # without what is 0
    return statuses.keys() <= {*_TAKEN, _PUT_OFF} and statuses[_PUT_OFF] < max(1, statuses.total() * _PUT_OFF_LIMIT)


def failures(result: Result) -> list[Finding]:
    return [finding for finding in result.findings if finding.breach is not Breach.EXTRA]


def markdown(result: Result) -> str:
    """The run as a table: a row for each target and fault, its loads as columns with the longest recovery."""
    modes = [mode for mode in Mode if any(one.injection.mode is mode for one in result.outcomes)]
    head = ["target", "fault", *(f"{mode}: times, longest recovery" for mode in modes), "requests"]
    head += ["200", "204", "503", "no answer", *Breach]
    lines = [_row(head), _row(["---"] * len(head))]
    for target in (*TARGETS, NOBODY):
        for fault in Fault:
            some = [one for one in result.outcomes if (one.injection.target, one.injection.fault) == (target, fault)]
            if some:
                lines.append(_row([target, fault, *_cells(modes, some, result.findings)]))
    lines.append(_row(["**all**", "", *_cells(modes, result.outcomes, result.findings, everything=True)]))
    return "\n".join([*_summary(result), "", *lines, ""])


def _summary(result: Result) -> Iterator[str]:
    topics = result.topics
    requests = sum(sum(outcome.statuses.values()) for outcome in result.outcomes)
    yield (
        f"Seed {result.seed}: {len(result.outcomes)} injections and {requests:,} requests in "
        f"{result.seconds / 60:.0f} minutes; on the topics {len(topics.requests):,} requests, {len(topics.events):,} "
        f"events, {len(topics.triggers):,} triggers, and {len(topics.aborted):,} records of aborted transactions."
    )
    ended = ", ".join(f"{name} {count} times" for name, count in sorted(result.exits.items()))
    yield f"Processes that ended by themselves and were started again: {ended or 'none'}."
    for outcome in result.outcomes:
        if outcome.injection.fault is Fault.RESTART:
            delays_s = [at.delay_s for at in result.delays if outcome.since_s <= at.received_s < outcome.until_s]
            yield f"{outcome.injection.target}, {outcome.until_s - outcome.since_s:.0f} s: {_lateness(delays_s)}"


def _lateness(delays_s: Sequence[float]) -> str:
    if len(delays_s) < _FEW:
        return "hardly a trigger was seen."
    percentiles = statistics.quantiles(delays_s, n=100)
    return (
        f"triggers followed their requests by {percentiles[49]:.2f} s (half of them), {percentiles[98]:.1f} s (99 %), "
        f"{max(delays_s):.1f} s (all)."
    )


def _cells(
    modes: Sequence[Mode], outcomes: Sequence[Outcome], findings: Sequence[Finding], *, everything: bool = False
) -> Iterator[str]:
    for mode in modes:
        yield _recovery([one for one in outcomes if one.injection.mode is mode])
    statuses = Counter[int]()
    for one in outcomes:
        statuses.update(one.statuses)
    yield str(statuses.total())
    yield from (str(statuses[status]) for status in _STATUSES)
    numbers = {one.injection.number for one in outcomes}
    counts = Counter(finding.breach for finding in findings if everything or finding.injection in numbers)
    yield from (str(counts[breach]) for breach in Breach)


def _recovery(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    times = [one.recovery_s for one in outcomes]
    return f"{len(times)}, never" if None in times else f"{len(times)}, {max(filter(None, times), default=0):.0f} s"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def histories(result: Result, injections: Sequence[Injection]) -> Iterator[str]:
    """The first findings, each with its injection, its requests with their answers, and what is in each topic."""
    found = failures(result)
    for finding in found[:_SHOWN]:
        injection = injections[finding.injection] if finding.injection >= 0 else "no injection of its own"
        yield f"{finding.breach}: {finding.text} ({injection})"
        attempts = set(finding.attempts)
        for message in result.history.messages:
            for attempt in message.attempts:
                if attempt.id in attempts:
                    answer = attempt.status or "no answer"
                    yield (
                        f"  {attempt.id} during #{message.injection}: sent {attempt.at_s:.3f}, {answer} at "
                        f"{attempt.ended_s:.3f} {attempt.request_id}"
                    )
        yield from (f"  {line}" for line in _on_topics(result.topics, attempts))
    if len(found) > _SHOWN:
        yield f"and {len(found) - _SHOWN} more"


def _on_topics(topics: Topics, attempts: set[str]) -> Iterator[str]:
    for request in topics.requests:
        if request.attempt in attempts:
            yield f"{request.place}: request {request.event_id} of {request.attempt}"
    events = [event for event in topics.events if event.attempt in attempts]
    for event in events:
        yield f"{event.place}: event {event.id} of {event.attempt}"
    ids = {event.id for event in events}
    for trigger in topics.triggers:
        if trigger.event_id in ids:
            yield f"{trigger.place}: trigger {trigger.id} of {trigger.event_id} and {trigger.business_event}"
    for letter in topics.dead_letters:
        if letter.attempt in attempts:
            yield f"{letter.place}: dead letter, {letter.cause}"
