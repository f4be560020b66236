"""Takes quantities from the values of an event."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from itertools import chain
from math import inf
from typing import Final, NamedTuple, cast

from libs.filters.atoms import Feature, Quantity
from libs.filters.conditions import is_number, scalar_key
from libs.filters.instants import instant
from libs.filters.language import Number
from libs.filters.layout import Layout, Values
from libs.parameters import ABSENT, Absent

Take = Callable[[Values], Collection[object]]
"""All values of one quantity, each once; none where the parameter is absent or of another type."""


def single_slot(layout: Layout, quantity: Quantity) -> int | None:
    """The slot from whose value a quantity is taken; None for a quantity of which an event may have several values."""
    return None if quantity.feature is Feature.ELEMENTS else layout.slot(quantity.path)


def feature_of(quantity: Quantity) -> Callable[[object], object]:
    """What a quantity is of one value: `ABSENT` where the value is of another type."""
    return partial(_instant, quantity.zone) if quantity.zone is not None else _FEATURES[quantity.feature]


def take(layout: Layout, quantity: Quantity) -> Take:
    """How to take a quantity from an event."""
    slot, feature = single_slot(layout, quantity), feature_of(quantity)
    if slot is not None:
        return lambda values: () if (value := feature(values[slot])) is ABSENT else (value,)
    read = layout.reader(quantity.path)

    def take_several(values: Values) -> Collection[object]:
        found: Iterable[object] = read(values)
        if quantity.feature is Feature.ELEMENTS:
            found = chain.from_iterable(array for array in found if isinstance(array, list))
        return dict.fromkeys(value for value in map(feature, found) if value is not ABSENT)

    return take_several


class Limit(NamedTuple):
    """The greatest number of a quantity or, negated, the least one: which bounds it exceeds, all its numbers do.

    An upper bound is a lower bound of the negated number.
    """

    quantity: Quantity
    negated: bool


def take_numbers(layout: Layout, quantity: Quantity) -> Callable[[Values], Collection[Number]]:
    """How to take a quantity that is a number, a length or an instant."""
    return cast("Callable[[Values], Collection[Number]]", take(layout, quantity))


def take_limit(layout: Layout, limit: Limit) -> Callable[[Values], Number]:
    """How to take a limit; where there is no number, what is less than every bound."""
    slot, negated = single_slot(layout, limit.quantity), limit.negated
    if slot is not None:
        feature = cast("Callable[[object], Number | Absent]", feature_of(limit.quantity))

        def take_one(values: Values) -> Number:
            number = feature(values[slot])
            if isinstance(number, Absent):
                return -inf
            return -number if negated else number

        return take_one
    taken = take_numbers(layout, limit.quantity)
    if negated:
        return lambda values: -min(taken(values), default=inf)
    return lambda values: max(taken(values), default=-inf)


def _text(value: object) -> object:
    return value if isinstance(value, str) else ABSENT


def _folded_text(value: object) -> object:
    return value.casefold() if isinstance(value, str) else ABSENT


def _number(value: object) -> object:
    return value if is_number(value) else ABSENT


def _instant(zone: tzinfo, value: object) -> object:
    at = instant(value, zone) if isinstance(value, str) else None
    return ABSENT if at is None else at


def _length(value: object) -> object:
    return len(value) if isinstance(value, list) else ABSENT


_FEATURES: Final[Mapping[Feature, Callable[[object], object]]] = {
    Feature.SCALAR: scalar_key,
    Feature.ELEMENTS: scalar_key,
    Feature.TEXT: _text,
    Feature.FOLDED_TEXT: _folded_text,
    Feature.NUMBER: _number,
    Feature.LENGTH: _length,
}
