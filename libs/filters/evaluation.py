"""Filters as closures: what is evaluated where an index cannot decide, and what the test of a filter shows."""

from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from functools import partial
from typing import TypeVar, assert_never

from libs.filters.conditions import compile_condition
from libs.filters.language import All, AnyOf, Condition, Filter, NoneOf, Path, Some
from libs.filters.lookup import find_all

Scope = TypeVar("Scope")
Reader = Callable[[Scope], Iterable[object]]
"""Everything at one path of a scope, absences included, as `find_all` defines it."""
Evaluation = Callable[[Scope, datetime], bool]


def compile_filter(where: Filter, zone: tzinfo, reader: Callable[[Path], Reader[Scope]]) -> Evaluation[Scope]:
    """Whether a filter holds in a scope, which only `reader` knows how to look into."""
    match where:
        case All(parts=parts):
            wanted = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, now: all(holds(scope, now) for holds in wanted)
        case AnyOf(parts=parts):
            choices = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, now: any(holds(scope, now) for holds in choices)
        case NoneOf(parts=parts):
            banned = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, now: not any(holds(scope, now) for holds in banned)
        case Some():
            return _some(where, zone, reader)
        case Condition():
            return _condition(where, zone, reader)
        case _:
            assert_never(where)


def path_reader(path: Path) -> Reader[object]:
    """Reads a path of a decoded document or of one array element."""
    return partial(find_all, path=path)


def _some(where: Some, zone: tzinfo, reader: Callable[[Path], Reader[Scope]]) -> Evaluation[Scope]:
    read = reader(where.path)
    holds = compile_filter(where.where, zone, path_reader)

    def evaluate(scope: Scope, now: datetime) -> bool:
        arrays = (found for found in read(scope) if isinstance(found, list))
        return any(holds(element, now) for array in arrays for element in array)

    return evaluate


def _condition(where: Condition, zone: tzinfo, reader: Callable[[Path], Reader[Scope]]) -> Evaluation[Scope]:
    read = reader(where.path)
    satisfies = compile_condition(where, zone)
    return lambda scope, now: any(satisfies(value, now) for value in read(scope))
