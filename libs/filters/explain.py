"""Why a filter holds or does not hold for one event: the test that authors run against a sample."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final, Literal

import msgspec

from libs.filters.conditions import IS_OF_TYPE, compile_condition
from libs.filters.evaluation import compile_filter, path_reader
from libs.filters.language import ELEMENT, All, AnyOf, Condition, Filter, Group, NoneOf, Path, Some
from libs.filters.lookup import find_all
from libs.filters.occasion import Occasion
from libs.parameters import ABSENT

ACTUAL_LIMIT: Final = 20
"""How many values an outcome shows where there can be several."""

Reason = Literal["absent", "other type", "different value", "no single element satisfies all", "empty group"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one condition, one `some`, or one group without parts, which holds always or never, came out.

    `path` is where it stands in the filter's source: ``where.all[1].any[0]``. `actual` is the value at its parameter,
    unset if there is none; behind a ``*`` or inside a `some` the list of the values that there are, at most
    `ACTUAL_LIMIT`. `reason` says why it does not hold; None if it does.
    """

    path: str
    condition: Condition | Some | Group
    matched: bool
    actual: object = msgspec.UNSET
    reason: Reason | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the filter holds, and how each of its conditions and empty groups came out, in the order of the source.

    Inside a `some` every condition answers for itself, for any element; that one element satisfies all of them is
    what the outcome of the `some` says.
    """

    matched: bool
    outcomes: tuple[Outcome, ...]


def explain(where: Filter, body: object, headers: Mapping[str, str], now: datetime, zone: tzinfo) -> Explanation:
    """Evaluate a filter against one event and say how every part of it came out.

    Raises:
        TooCostlyError: it would take more processor time than one event may.
    """
    occasion = Occasion(now)
    event = {"body": body, "headers": dict(headers)}
    explainer = _Explainer(occasion, zone)
    return Explanation(
        matched=compile_filter(where, zone, path_reader)(event, occasion),
        outcomes=tuple(explainer.walk(where, "where", (event,), several=False)),
    )


class _Explainer:
    def __init__(self, occasion: Occasion, zone: tzinfo) -> None:
        self._occasion = occasion
        self._zone = zone

    def walk(self, where: Filter, path: str, scopes: Sequence[object], *, several: bool) -> Iterator[Outcome]:
        """Outcomes of a filter's parts; the scopes are the event itself, or the elements of a `some`."""
        match where:
            case All(parts=()) | NoneOf(parts=()):
                yield Outcome(path=path, condition=where, matched=True)
            case AnyOf(parts=()):
                yield Outcome(path=path, condition=where, matched=False, reason="empty group")
            case All(parts=parts):
                yield from self._parts(parts, f"{path}.all", scopes, several=several)
            case AnyOf(parts=parts):
                yield from self._parts(parts, f"{path}.any", scopes, several=several)
            case NoneOf(parts=parts):
                yield from self._parts(parts, f"{path}.none", scopes, several=several)
            case Some():
                yield from self._some(where, path, scopes, several=several)
            case Condition():
                holds = compile_condition(where, self._zone)
                is_of_type = IS_OF_TYPE[where.type]
                found = _find(scopes, where.path)
                matched = any(holds(value, self._occasion) for value in found)
                of_type = any(is_of_type(value, self._zone) for value in found)
                yield _outcome(where, path, found, _reason(found, matched=matched, of_type=of_type), several=several)

    def _parts(
        self, parts: Iterable[Filter], path: str, scopes: Sequence[object], *, several: bool
    ) -> Iterator[Outcome]:
        for position, part in enumerate(parts):
            yield from self.walk(part, f"{path}[{position}]", scopes, several=several)

    def _some(self, where: Some, path: str, scopes: Sequence[object], *, several: bool) -> Iterator[Outcome]:
        found = _find(scopes, where.path)
        arrays = [value for value in found if isinstance(value, list)]
        elements = [element for array in arrays for element in array]
        holds = compile_filter(where.where, self._zone, path_reader)
        matched = any(holds(element, self._occasion) for element in elements)
        reason = _reason(found, matched=matched, of_type=bool(arrays))
        reason = "no single element satisfies all" if reason == "different value" else reason
        yield _outcome(where, path, found, reason, several=several)
        yield from self.walk(where.where, f"{path}.where", elements, several=True)


def _find(scopes: Iterable[object], path: Path) -> list[object]:
    return [value for scope in scopes for value in find_all(scope, path)]


def _reason(found: Iterable[object], *, matched: bool, of_type: bool) -> Reason | None:
    if matched:
        return None
    if all(value is ABSENT for value in found):
        return "absent"
    return "different value" if of_type else "other type"


def _outcome(
    condition: Condition | Some, path: str, found: Iterable[object], reason: Reason | None, *, several: bool
) -> Outcome:
    present = [value for value in found if value is not ABSENT]
    if several or ELEMENT in condition.path:
        actual: object = present[:ACTUAL_LIMIT]
    else:
        actual = present[0] if present else msgspec.UNSET
    return Outcome(path=path, condition=condition, matched=reason is None, actual=actual, reason=reason)
