"""Builds a matcher's graph: conjunctions of numbered atoms in, nodes that share common beginnings out."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from libs.filters.atoms import Affix, Atom, Check, Exact, Feature, Quantity, Range
from libs.filters.edges import Bounds, Edge, Node, always, checked, keyed, within
from libs.filters.evaluation import compile_filter
from libs.filters.indexes import by_range
from libs.filters.keyring import Keyring
from libs.filters.language import Number
from libs.filters.layout import Layout, Values
from libs.filters.occasion import Occasion
from libs.filters.quantities import Limit

Member = tuple[int, tuple[int, ...]]
"""A rule, and the numbers of the atoms that one of its alternatives asks for, in that order."""
Branch = list[Member]


class _Ways:
    """The branches of one node, by how an event will get to them."""

    def __init__(self) -> None:
        self.by_value: dict[int, dict[object, Branch]] = defaultdict(dict)
        self.by_key: dict[int, Node] = {}
        self.by_one_of_values: dict[int, dict[object, list[Node]]] = defaultdict(lambda: defaultdict(list))
        self.by_one_of_keys: dict[int, list[Node]] = defaultdict(list)
        self.bounds: dict[tuple[Limit, bool], list[tuple[Number, Node]]] = defaultdict(list)
        self.within: dict[Quantity, list[tuple[Range, Node]]] = defaultdict(list)
        self.checks: list[tuple[Check, Node]] = []


class Builder:
    """Builds nodes over a fixed numbering of atoms, the most selective first."""

    def __init__(self, atoms: Sequence[Atom], layout: Layout) -> None:
        self.keyring = Keyring()
        self.limits: dict[Limit, int] = {}
        self.measures: dict[Quantity, int] = {}
        self._atoms = atoms
        self._layout = layout
        self._evaluations: dict[Check, Callable[[Values, Occasion], bool]] = {}
        self._unfilled: list[tuple[Node, Iterable[Member], int, Sequence[Node]]] = []

    def build(self, members: Iterable[Member]) -> Node:
        """The root of the graph. A list of nodes to fill, not recursion: a conjunction may have hundreds of atoms."""
        root = self._node(members, 0)
        while self._unfilled:
            self._fill(*self._unfilled.pop())
        return root

    def _node(self, members: Iterable[Member], depth: int, onward: Sequence[Node] = ()) -> Node:
        """The node, still to be filled, for the first `depth` atoms of the members, which all have them in common."""
        node = Node()
        self._unfilled.append((node, members, depth, onward))
        return node

    def _fill(self, node: Node, members: Iterable[Member], depth: int, onward: Sequence[Node]) -> None:
        rules: list[int] = []
        branches: dict[int, Branch] = {}
        for member in members:
            rule, numbers = member
            if len(numbers) == depth:
                rules.append(rule)
            else:
                branches.setdefault(numbers[depth], []).append(member)
        node.rules = tuple(rules)
        node.edges = (always(onward),) if onward else ()
        node.more = bool(onward)
        if not branches:
            return
        ways = _Ways()
        for number, branch in branches.items():
            self._add(ways, self._atoms[number], branch, depth + 1)
        node.tables = tuple(self._tables(ways, depth + 1).items())
        node.keys = ways.by_key
        node.bounds = tuple(self._bounds(ways))
        node.edges += tuple(self._edges(ways))
        node.more = bool(node.keys or node.bounds or node.edges)

    def _add(self, ways: _Ways, atom: Atom, branch: Branch, depth: int) -> None:
        match atom:
            case Exact(quantity, (key,)) if (slot := self._plain_slot(quantity, key)) is not None:
                ways.by_value[slot][key] = branch  # a node once it is known who else leads there
            case Exact(quantity, (key,)):
                ways.by_key[self.keyring.key(quantity, key)] = self._node(branch, depth)
            case Exact():
                self._add_keys(ways, atom, self._node(branch, depth))
            case Affix(quantity, word, at_end):
                ways.by_key[self.keyring.word(quantity, word, at_end=at_end)] = self._node(branch, depth)
            case Range():
                self._add_range(ways, atom, self._node(branch, depth))
            case Check():
                ways.checks.append((atom, self._node(branch, depth)))
            case _:
                assert_never(atom)

    def _add_keys(self, ways: _Ways, exact: Exact, node: Node) -> None:
        for key in exact.keys:
            slot = self._plain_slot(exact.quantity, key)
            if slot is None:
                ways.by_one_of_keys[self.keyring.key(exact.quantity, key)].append(node)
            else:
                ways.by_one_of_values[slot][key].append(node)

    @staticmethod
    def _add_range(ways: _Ways, one: Range, node: Node) -> None:
        if one.low is not None and one.high is not None:
            ways.within[one.quantity].append((one, node))
        elif one.low is not None:
            ways.bounds[Limit(one.quantity, negated=False), one.low_strict].append((one.low, node))
        elif one.high is not None:
            ways.bounds[Limit(one.quantity, negated=True), one.high_strict].append((-one.high, node))

    def _plain_slot(self, quantity: Quantity, key: object) -> int | None:
        """The slot whose value can itself be looked up, if only values that equal the key find it.

        Not for true and false, 1 and 0, which are the same to a dictionary of Python.
        """
        ambiguous = isinstance(key, tuple) or key in {0, 1}
        return None if ambiguous or quantity.feature is not Feature.SCALAR else self._layout.slot(quantity.path)

    def _tables(self, ways: _Ways, depth: int) -> dict[int, dict[object, Node]]:
        tables: dict[int, dict[object, Node]] = defaultdict(dict)
        for slot, branches in ways.by_value.items():
            shared = ways.by_one_of_values.get(slot, {})
            for value, branch in branches.items():
                tables[slot][value] = self._node(branch, depth, shared.get(value, ()))
        for slot, nodes_by_value in ways.by_one_of_values.items():
            for value, nodes in nodes_by_value.items():
                if value not in tables[slot]:
                    tables[slot][value] = nodes[0] if len(nodes) == 1 else self._node((), depth, nodes)
        return tables

    def _edges(self, ways: _Ways) -> Iterable[Edge]:
        if ways.by_one_of_keys:
            yield keyed(ways.by_one_of_keys)
        for quantity, ranges in ways.within.items():
            measure = self.measures.setdefault(quantity, len(self.measures))
            yield within(measure, by_range(ranges))
        for check, node in ways.checks:
            yield checked(self._evaluation(check), node)

    def _bounds(self, ways: _Ways) -> Iterable[Bounds]:
        for (limit, strict), pairs in ways.bounds.items():
            pairs.sort(key=lambda pair: pair[0])
            yield (
                self.limits.setdefault(limit, len(self.limits)),
                pairs[0][0],
                bisect_left if strict else bisect_right,
                [bound for bound, _ in pairs],
                [node for _, node in pairs],
            )

    def _evaluation(self, check: Check) -> Callable[[Values, Occasion], bool]:
        """The one evaluation that all equal checks share."""
        if check not in self._evaluations:
            self._evaluations[check] = compile_filter(check.where, check.zone, self._layout.reader)
        return self._evaluations[check]
