"""Filters as closures: what is evaluated where an index cannot decide, and what the test of a filter shows."""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import partial
from typing import TypeVar, assert_never

from libs.filters.conditions import compile_condition
from libs.filters.language import All, AnyOf, Condition, Filter, NoneOf, Path, Some
from libs.filters.lookup import find_all
from libs.filters.occasion import Occasion

Scope = TypeVar("Scope")
Reader = Callable[[Scope], Sequence[object]]
"""Everything at one path of a scope, absences included, as `find_all` defines it."""
Evaluation = Callable[[Scope, Occasion], bool]


def compile_filter(where: Filter, zone: tzinfo, reader: Callable[[Path], Reader[Scope]]) -> Evaluation[Scope]:
    """Whether a filter holds in a scope, which only `reader` knows how to look into."""
    match where:
        case All(parts=parts):
            wanted = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, occasion: all(holds(scope, occasion) for holds in wanted)
        case AnyOf(parts=parts):
            choices = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, occasion: any(holds(scope, occasion) for holds in choices)
        case NoneOf(parts=parts):
            banned = [compile_filter(part, zone, reader) for part in parts]
            return lambda scope, occasion: not any(holds(scope, occasion) for holds in banned)
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
    steps = _count(where.where)

    def evaluate(scope: Scope, occasion: Occasion) -> bool:
        for array in read(scope):
            for element in array if isinstance(array, list) else ():
                occasion.spend(steps)
                if holds(element, occasion):
                    return True
        return False

    return evaluate


def _condition(where: Condition, zone: tzinfo, reader: Callable[[Path], Reader[Scope]]) -> Evaluation[Scope]:
    read = reader(where.path)
    satisfies = compile_condition(where, zone)

    def evaluate(scope: Scope, occasion: Occasion) -> bool:
        found = read(scope)
        if len(found) > 1:
            occasion.spend(len(found))
        return any(satisfies(value, occasion) for value in found)

    return evaluate


def _count(where: Filter) -> int:
    """The conditions that are evaluated for one element."""
    match where:
        case All(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            return 1 + sum(map(_count, parts))
        case Some() | Condition():
            return 1
