"""The keys of all rules, numbered; finds the ones that an event has, each quantity looked at once per event."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from libs.filters.atoms import Feature, Quantity
from libs.filters.indexes import by_key, by_prefix, by_suffix
from libs.filters.layout import Layout, Values
from libs.filters.quantities import feature_of, single_slot, take
from libs.parameters import ABSENT

T = TypeVar("T")
Finder = Callable[[Values], Iterable[int]]


class Keyring:
    """Numbers for keys of quantities, and for words with which texts start or end."""

    def __init__(self) -> None:
        self._size = 0
        self._keys: dict[Quantity, dict[object, int]] = defaultdict(dict)
        self._prefixes: dict[Quantity, dict[str, int]] = defaultdict(dict)
        self._suffixes: dict[Quantity, dict[str, int]] = defaultdict(dict)

    def key(self, quantity: Quantity, key: object) -> int:
        """The number of a key."""
        return self._keys[quantity].setdefault(key, self._next())

    def word(self, quantity: Quantity, word: str, *, at_end: bool) -> int:
        """The number of a word at the start or the end of a text."""
        return (self._suffixes if at_end else self._prefixes)[quantity].setdefault(word, self._next())

    def _next(self) -> int:
        self._size += 1
        return self._size

    def finders(self, layout: Layout) -> list[Finder]:
        """Together they find the numbers of everything that an event has, each once."""
        return [
            *(_finder(layout, quantity, by_key(keys)) for quantity, keys in self._keys.items()),
            *(_finder(layout, quantity, by_prefix(words)) for quantity, words in self._prefixes.items()),
            *(_finder(layout, quantity, by_suffix(words)) for quantity, words in self._suffixes.items()),
        ]


def _finder(layout: Layout, quantity: Quantity, look_up: Callable[[T], Iterable[int]]) -> Finder:
    # A quantity's feature says of which type its values are, and which indexes take them.
    untyped = cast("Callable[[object], Iterable[int]]", look_up)
    slot, feature = single_slot(layout, quantity), feature_of(quantity)
    if slot is not None and quantity.feature is Feature.TEXT:
        return lambda values: untyped(value) if isinstance(value := values[slot], str) else ()
    if slot is not None:
        return lambda values: () if (value := feature(values[slot])) is ABSENT else untyped(value)
    taken = take(layout, quantity)
    return lambda values: {number for value in taken(values) for number in untyped(value)}
