"""From a filter to what an index can hold: alternatives, each a conjunction of atoms."""

from collections.abc import Iterable
from datetime import tzinfo
from itertools import chain, product
from math import prod
from typing import Final

from libs.filters.atoms import Atom, Check, Exact, Quantity, Range, atom_of, check_of
from libs.filters.language import ELEMENT, All, AnyOf, Condition, Filter, NoneOf, Path, Some

ALTERNATIVES_LIMIT: Final = 256
"""How many alternatives one filter may become; the part that would exceed it stays a check."""

Conjunction = tuple[Atom, ...]


def alternatives(where: Filter, zone: tzinfo) -> list[Conjunction]:
    """Conjunctions of which at least one holds exactly when the filter holds."""
    match where:
        case All(parts=parts):
            return _every(parts, zone)
        case AnyOf(parts=parts):
            choices = _merge_keys(chain.from_iterable(alternatives(part, zone) for part in parts))
            return choices if len(choices) <= ALTERNATIVES_LIMIT else [(check_of(where, zone),)]
        case NoneOf(parts=parts):
            return [tuple(check_of(NoneOf(parts=(part,)), zone) for part in parts)]
        case Some():
            return [(*guards, check_of(where, zone)) for guards in _guards(where, zone)]
        case Condition():
            return [(atom_of(where, zone),)]


def _every(parts: Iterable[Filter], zone: tzinfo) -> list[Conjunction]:
    """The product of the parts' alternatives, the short lists first; a part that would exceed the limit is a check."""
    factors: list[list[Conjunction]] = []
    for choices, part in sorted(((alternatives(part, zone), part) for part in parts), key=lambda pair: len(pair[0])):
        fits = prod(map(len, factors)) * len(choices) <= ALTERNATIVES_LIMIT
        factors.append(choices if fits else [(check_of(part, zone),)])
    return [_narrow(chain.from_iterable(choice)) for choice in product(*factors)]


def _narrow(atoms: Iterable[Atom]) -> Conjunction:
    """Without repetitions, and with a lower and an upper bound on the same single number as one range."""
    unique: dict[object, Atom] = {}
    for one in atoms:
        if isinstance(one, Range) and ELEMENT not in one.quantity.path:
            earlier = unique.get(one.quantity)
            unique[one.quantity] = _intersect(earlier, one) if isinstance(earlier, Range) else one
        else:
            unique[one] = one
    return tuple(unique.values())


def _intersect(one: Range, other: Range) -> Range:
    lows = [(r.low, r.low_strict) for r in (one, other) if r.low is not None]
    highs = [(r.high, not r.high_strict) for r in (one, other) if r.high is not None]
    low, low_strict = max(lows, default=(None, False))
    high, high_included = min(highs, default=(None, True))
    return Range(one.quantity, low, low_strict, high, not high_included)


def _merge_keys(choices: Iterable[Conjunction]) -> list[Conjunction]:
    """Alternatives that ask the same quantity for one key each become one that asks for all those keys."""
    keys: dict[Quantity, dict[object, None]] = {}
    others: list[Conjunction] = []
    for choice in choices:
        match choice:
            case (Exact() as exact,):
                keys.setdefault(exact.quantity, {}).update(dict.fromkeys(exact.keys))
            case _:
                others.append(choice)
    return [(Exact(quantity, tuple(merged)),) for quantity, merged in keys.items()] + others


def _guards(where: Some, zone: tzinfo) -> list[Conjunction]:
    """What the array's elements must satisfy between them if one satisfies the whole filter; all of it indexable."""
    loosened = alternatives(_over_elements(where.where, (*where.path, ELEMENT)), zone)
    return [tuple(one for one in choice if not isinstance(one, Check)) for choice in loosened]


def _over_elements(where: Filter, prefix: Path) -> Filter:
    match where:
        case All(parts=parts):
            return All(parts=tuple(_over_elements(part, prefix) for part in parts))
        case AnyOf(parts=parts):
            return AnyOf(parts=tuple(_over_elements(part, prefix) for part in parts))
        case NoneOf():
            return All(parts=())
        case Some(path=path, where=inner):
            return _over_elements(inner, (*prefix, *path, ELEMENT))
        case Condition(path=path, type=type_, operator=operator, value=value, ignore_case=ignore_case):
            return Condition(path=prefix + path, type=type_, operator=operator, value=value, ignore_case=ignore_case)
