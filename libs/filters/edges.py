"""The nodes of a matcher, and the edges by which an event goes from one to the next."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from libs.filters.language import Number
from libs.filters.layout import Values
from libs.filters.occasion import Occasion


class Event(Occasion, kw_only=True):
    """One event being matched, and what the graph asks of it.

    `values` by slot; the numbers of its `keys`; by measure all its `numbers`; by limit its `greatest` number or, the
    other way round, its least one negated, without a number less than every bound.
    """

    values: Values
    keys: set[int]
    greatest: list[Number]
    numbers: list[Collection[Number]]
    checks: dict[object, bool]


Bounds = tuple[int, Number, Callable[[Sequence[Number], Number], int], Sequence[Number], Sequence["Node"]]
"""A limit; of sorted lower bounds the least, how to find its position among them, they, and the node of each.

It leads to the nodes before that position. Most numbers do not even come up to the least bound.
"""


class Node(msgspec.Struct, eq=False, gc=False):
    """Where all rules meet that share a beginning of their conditions.

    `rules` are satisfied here. The value of a slot leads on by the slot's table, the number of a key that the event
    has by `keys`; a number by all `bounds` below it. The edges are what is left. `more` says whether anything but
    tables leads on from here. Nodes form no cycle, and none changes once its graph is built.
    """

    rules: tuple[int, ...] = ()
    tables: tuple[tuple[int, Mapping[object, "Node"]], ...] = ()
    keys: Mapping[int, "Node"] = {}
    bounds: tuple[Bounds, ...] = ()
    edges: tuple["Edge", ...] = ()
    more: bool = False


Edge = Callable[[Event], Iterable[Node]]


def always(nodes: Iterable[Node]) -> Edge:
    return lambda _: nodes


def keyed(table: Mapping[int, Collection[Node]]) -> Edge:
    """To the nodes that several keys share, and to each of them once."""
    return lambda event: dict.fromkeys(node for key in event.keys & table.keys() for node in table[key])


def checked(holds: Callable[[Values, Occasion], bool], node: Node) -> Edge:
    """To the node if the check holds; the same check on another edge is not evaluated again."""

    def edge(event: Event) -> Iterable[Node]:
        outcome = event.checks.get(holds)
        if outcome is None:
            outcome = event.checks[holds] = holds(event.values, event)
        return (node,) if outcome else ()

    return edge


def within(measure: int, look_up: Callable[[Number], Sequence[Node]]) -> Edge:
    """To the nodes of the ranges in which the numbers of a measure lie, and to each of them once."""

    def edge(event: Event) -> Iterable[Node]:
        numbers = event.numbers[measure]
        if len(numbers) == 1:
            (number,) = numbers
            return look_up(number)
        reached: dict[Node, None] = {}
        for number in numbers:
            nodes = look_up(number)
            event.spend(len(nodes))
            reached.update(dict.fromkeys(nodes))
        return reached

    return edge
