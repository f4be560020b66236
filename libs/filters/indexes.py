"""Indexes: from one value to the entries filed under all the words, bounds or ranges that it satisfies.

What a look-up costs follows from the entries that it answers, and from the logarithm of those that there are.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from libs.filters.atoms import Range
from libs.filters.language import Number

E = TypeVar("E")


def by_key(keys: Mapping[object, E]) -> Callable[[object], tuple[E, ...]]:
    """The entry of one key, if there is one."""
    entries = {key: (entry,) for key, entry in keys.items()}
    return lambda key: entries.get(key, ())


def by_prefix(words: Mapping[str, E]) -> Callable[[str], list[E]]:
    """The entries of all words that a text starts with."""
    return _by_start(words, slice(max(map(len, words))))


def by_suffix(words: Mapping[str, E]) -> Callable[[str], list[E]]:
    """The entries of all words that a text ends with: with which it starts when both are read backwards."""
    backwards = {word[::-1]: entry for word, entry in words.items()}
    return _by_start(backwards, slice(None, -max(map(len, words)) - 1, -1))


def _by_start(words: Mapping[str, E], read: slice) -> Callable[[str], list[E]]:
    """The entries of all words with which what is read of a text starts.

    Among sorted words the last one not after the text begins with every other word that the text begins with; each
    word knows the longest other word that it begins with.
    """
    ordered = sorted(words)
    entries = [words[word] for word in ordered]
    parents = _parents(ordered)

    def look_up(text: str) -> list[E]:
        start = text[read]
        position = bisect_right(ordered, start) - 1
        while position >= 0 and not start.startswith(ordered[position]):
            position = parents[position]
        found: list[E] = []
        while position >= 0:  # what a word begins with, the text begins with
            found.append(entries[position])
            position = parents[position]
        return found

    return look_up


def _parents(ordered: Sequence[str]) -> list[int]:
    """For each of the sorted words the position of the longest other word that it begins with, or -1."""
    parents: list[int] = []
    chain: list[int] = []
    for position, word in enumerate(ordered):
        while chain and not word.startswith(ordered[chain[-1]]):
            chain.pop()
        parents.append(chain[-1] if chain else -1)
        chain.append(position)
    return parents


_Point = tuple[Number, int]
"""A bound: the number itself, or the place just beside it (-1, +1) for a strict one."""
_Interval = tuple[_Point, _Point, E]


class _Tree(NamedTuple, Generic[E]):
    """A centred interval tree: the intervals around `centre`, by either end; those wholly before and after it."""

    centre: _Point
    lows: list[_Point]
    by_low: list[E]
    highs: list[_Point]
    by_high: list[E]
    before: "_Tree[E] | None"
    after: "_Tree[E] | None"


def by_range(ranges: Iterable[tuple[Range, E]]) -> Callable[[Number], list[E]]:
    """The entries of all ranges, bounded on both sides, that contain a number."""
    root = _plant([interval for one, entry in ranges if (interval := _interval(one, entry))])

    def look_up(number: Number) -> list[E]:
        found: list[E] = []
        at, tree = (number, 0), root
        while tree is not None:
            if at <= tree.centre:
                found += tree.by_low[: bisect_right(tree.lows, at)]
                tree = tree.before
            else:
                found += tree.by_high[bisect_left(tree.highs, at) :]
                tree = tree.after
        return found

    return look_up


def _interval(one: Range, entry: E) -> _Interval[E] | None:
    """The ends of a range and its entry; None if nothing lies between them."""
    if one.low is None or one.high is None:
        raise ValueError("a range that is open on one side is no interval")
    low, high = (one.low, int(one.low_strict)), (one.high, -int(one.high_strict))
    return (low, high, entry) if low <= high else None


def _plant(intervals: Sequence[_Interval[E]]) -> _Tree[E] | None:
    if not intervals:
        return None
    ends = sorted(end for low, high, _ in intervals for end in (low, high))
    centre = ends[len(ends) // 2]
    here = [one for one in intervals if one[0] <= centre <= one[1]]
    by_low = sorted(here, key=lambda one: one[0])
    by_high = sorted(here, key=lambda one: one[1])
    return _Tree(
        centre,
        [low for low, _, _ in by_low],
        [entry for _, _, entry in by_low],
        [high for _, high, _ in by_high],
        [entry for _, _, entry in by_high],
        _plant([one for one in intervals if one[1] < centre]),
        _plant([one for one in intervals if centre < one[0]]),
    )
