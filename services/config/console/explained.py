"""What a page shows of an explanation: never more than it has room for, and every condition within its group."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from libs.filters import Group, Outcome, to_source
from services.config.console.excerpts import beginning, whole_json
from services.config.evaluations import BusinessEventEvaluation
from services.config.explanations import EventExplanation

_LINES_LIMIT: Final = 600
_GROUP: Final = re.compile(r"\.(all|any|none)\[\d+\]")
_INSIDE: Final = ".where"


class Line(Struct, frozen=True, kw_only=True):
    """A condition with its outcome, or the head of a group, which has none. `depth` is the number of groups around it.

    What an empty group has below its head is its own outcome.

    `helps` is whether the outcome is what the groups around it ask for: those of which none may hold ask for ✗.
    """

    depth: int
    group: str = ""
    outcome: Outcome | None = None
    helps: bool = True


class ShownEvaluation(Struct, frozen=True, kw_only=True):
    """A Business Event with its conditions; `lines` is None where a page has no room for them."""

    of: BusinessEventEvaluation
    lines: Sequence[Line] | None


class ShownExplanation(Struct, frozen=True, kw_only=True):
    """An explanation as a page shows it. `raw` is empty where it is too long for a page."""

    parameters: Sequence[tuple[str, object]] = ()
    raw: str = ""
    evaluations: Sequence[ShownEvaluation] = ()


def shown(explanation: EventExplanation) -> ShownExplanation:
    """What there is room for; takes processor time, so not for the event loop."""
    event = explanation.event
    parameters: Mapping[str, object] = {} if event is None else event.parameters
    return ShownExplanation(
        parameters=list(beginning(parameters)),
        raw="" if event is None else whole_json(msgspec.json.encode(event.body)),
        evaluations=list(_evaluations(explanation.business_events)),
    )


def _evaluations(found: Sequence[BusinessEventEvaluation]) -> Iterator[ShownEvaluation]:
    left = _LINES_LIMIT
    for one in found:
        lines = list(lines_of(one.conditions))
        left -= len(lines)
        yield ShownEvaluation(of=one, lines=lines if left >= 0 else None)


def lines_of(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """The conditions of a filter in their order, and before its first condition the head of each group."""
    begun: set[str] = set()
    for outcome in outcomes:
        groups = list(_GROUP.finditer(outcome.path))
        for number, group in enumerate(groups):
            start = outcome.path[: group.end(1)]
            if start not in begun:
                begun.add(start)
                yield Line(depth=number + start.count(_INSIDE), group=group[1])
        is_wanted = sum(group[1] == "none" for group in groups) % 2 == 0
        depth = len(groups) + outcome.path.count(_INSIDE)
        if isinstance(outcome.condition, Group):
            yield Line(depth=depth, group=next(iter(to_source(outcome.condition))))
            depth += 1
        yield Line(depth=depth, outcome=outcome, helps=outcome.matched is is_wanted)
