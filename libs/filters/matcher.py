"""The matcher: which of many filters an event satisfies, at a cost that follows from what it satisfies.

Rules are taken apart into conjunctions of atoms (`plan`). Atoms are ordered from the most selective to the least
(`selectivity`), and conjunctions with a common beginning share it (`graph`). An event travels that graph: by hash
look-up, through sorted lists, and last by evaluation (`edges`). A rule costs nothing beyond those beginnings of it that
the event satisfies.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import chain
from typing import Generic, TypeVar

from libs.filters.atoms import Affix, Atom, Check, Exact
from libs.filters.edges import Event, Node
from libs.filters.graph import Builder, Member
from libs.filters.language import All, AnyOf, Condition, Filter, NoneOf, Path, Some
from libs.filters.layout import Layout, Values
from libs.filters.occasion import WORK_LIMIT_S
from libs.filters.plan import Conjunction, alternatives
from libs.filters.quantities import take_limit, take_numbers
from libs.filters.selectivity import by_selectivity
from libs.parameters import ABSENT

K = TypeVar("K")


class Matcher(Generic[K]):
    """Immutable, and safe to share between threads. Made by `compile_matcher`."""

    def __init__(self, keys: Sequence[K], layout: Layout, builder: Builder, root: Node) -> None:
        self._keys = keys
        self._layout = layout
        self._finders = builder.keyring.finders(layout)
        self._limits = [take_limit(layout, limit) for limit in builder.limits]
        self._measures = [take_numbers(layout, quantity) for quantity in builder.measures]
        self._root = root

    def __len__(self) -> int:
        return len(self._keys)

    def match(
        self, body: object, headers: Mapping[str, str], now: datetime, *, limit_s: float = WORK_LIMIT_S
    ) -> list[K]:
        """The keys of all satisfied rules, in the order in which the rules were given.

        Takes any decoded JSON document. Header names are lower case; `now` is aware.

        Raises:
            TooCostlyError: it would take more than `limit_s` seconds of processor time.
        """
        values = self._layout.read(body, headers)
        found: list[int] = []
        for find in self._finders:
            found += find(values)
        event = Event(
            now,
            limit_s,
            values=values,
            keys=set(found),
            greatest=[limit(values) for limit in self._limits] if self._limits else [],
            numbers=[measure(values) for measure in self._measures] if self._measures else [],
            checks={},
        )
        try:
            satisfied = self._travel(values, event)
        except TypeError:
            # An object or array cannot be looked up in a table of leaves; it equals none of them.
            plain = [ABSENT if isinstance(value, dict | list) else value for value in values]
            satisfied = self._travel(plain, event)
        if len(satisfied) > 1:
            satisfied = sorted(set(satisfied))
        return [self._keys[rule] for rule in satisfied]

    def _travel(self, values: Values, event: Event) -> list[int]:
        # The hot path. Plain loops and `in`: each of map, filter and itemgetter costs more than what it saves here.
        satisfied: list[int] = []
        reached = [self._root]
        keys, greatest = event.keys, event.greatest
        for node in reached:  # grows while it is read
            if node.rules:
                satisfied += node.rules
            for slot, table in node.tables:
                value = values[slot]
                if value in table:
                    reached.append(table[value])
            if not node.more:
                continue
            if node.keys:
                reached += [node.keys[key] for key in node.keys.keys() & keys]
            for limit, least, position, bounds, nodes in node.bounds:
                if greatest[limit] >= least:
                    reached += nodes[: position(bounds, greatest[limit])]
            for edge in node.edges:
                reached += edge(event)
        return satisfied


def compile_matcher(rules: Iterable[tuple[K, Filter, tzinfo]]) -> Matcher[K]:
    """A matcher of rules: key, filter, and the time zone in which the filter's dates are meant.

    Takes some ten microseconds a condition, so many rules belong off the event loop.
    """
    keys: list[K] = []
    plans: list[list[Conjunction]] = []
    for key, where, zone in rules:
        keys.append(key)
        plans.append(alternatives(where, zone))
    atoms = by_selectivity(dict.fromkeys(atom for plan in plans for choice in plan for atom in choice))
    numbers = {atom: number for number, atom in enumerate(atoms)}
    looked_up = [isinstance(atom, Exact | Affix) for atom in atoms]
    members: list[Member] = [
        (rule, _entry_first(sorted([numbers[atom] for atom in choice]), looked_up))
        for rule, plan in enumerate(plans)
        for choice in plan
    ]
    layout = Layout(chain.from_iterable(map(_paths, atoms)))
    builder = Builder(atoms, layout)
    return Matcher(keys, layout, builder, builder.build(members))


def _entry_first(numbers: list[int], looked_up: Sequence[bool]) -> tuple[int, ...]:
    """The order in which a conjunction's atoms are asked: the first that is looked up, then the others as they are.

    An event may exceed every bound there is, but it has few keys: so no range leads to a rule that a key can lead to.
    """
    if numbers and not looked_up[numbers[0]]:
        entry = next((number for number in numbers if looked_up[number]), numbers[0])
        numbers.remove(entry)
        numbers.insert(0, entry)
    return tuple(numbers)


def _paths(atom: Atom) -> Iterable[Path]:
    return _read_paths(atom.where) if isinstance(atom, Check) else (atom.quantity.path,)


def _read_paths(where: Filter) -> Iterable[Path]:
    match where:
        case All(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            return chain.from_iterable(map(_read_paths, parts))
        case Some(path=path) | Condition(path=path):
            return (path,)
