"""In which order atoms are asked: first what the fewest events satisfy, as far as the rules themselves tell."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from libs.filters.atoms import Affix, Atom, Check, Exact, Quantity, Range
from libs.filters.language import Condition, Number

_DECIDED: Final = 0
_EVALUATED: Final = 1
_SEARCHED: Final = 2


def by_selectivity(atoms: Iterable[Atom]) -> list[Atom]:
    """Those first that the fewest events satisfy, as if events had the values that rules name, each as often.

    What is evaluated comes last.
    """
    atoms = list(atoms)
    filed = Counter(_index(atom) for atom in atoms if isinstance(atom, Exact | Affix) for _ in _filed_under(atom))
    order = {index: position for position, index in enumerate(filed)}
    bounds = _Bounds(atom for atom in atoms if isinstance(atom, Range))

    def rank(atom: Atom) -> tuple[int, float, int]:
        match atom:
            case Exact() | Affix():
                index = _index(atom)
                return _DECIDED, len(_filed_under(atom)) / filed[index], order[index]
            case Range():
                return _DECIDED, bounds.share(atom), len(order)
            case Check(_, _, Condition(operator=operator)) if operator != "REGEXP":
                return _EVALUATED, 0, 0
            case Check():
                return _SEARCHED, 0, 0

    return sorted(atoms, key=rank)


def _index(atom: Exact | Affix) -> tuple[Quantity, bool]:
    """What the atom is looked up in, together with all others of it."""
    return atom.quantity, isinstance(atom, Affix) and atom.at_end


def _filed_under(atom: Exact | Affix) -> tuple[object, ...]:
    return atom.keys if isinstance(atom, Exact) else (atom.word,)


class _Bounds:
    """The lower and, negated, the upper bounds on each quantity; how narrow a range is among them."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._sorted: dict[tuple[Quantity, bool], list[Number]] = defaultdict(list)
        for one in ranges:
            for negated, bound in _sides(one):
                self._sorted[one.quantity, negated].append(bound)
        for bounds in self._sorted.values():
            bounds.sort()

    def share(self, one: Range) -> float:
        """How many of the bounds on the same side are at least as narrow, on the side where those are fewer."""
        sides = [(self._sorted[one.quantity, negated], bound) for negated, bound in _sides(one)]
        return min(1 - bisect_left(bounds, bound) / len(bounds) for bounds, bound in sides)


def _sides(one: Range) -> Iterable[tuple[bool, Number]]:
    if one.low is not None:
        yield False, one.low
    if one.high is not None:
        yield True, -one.high
