"""Where a matcher finds the values of an event: one walk over the paths that rules use, never over the whole event.

The walk fills a list with one value, or `ABSENT`, per slot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, cast

from libs.filters.language import ELEMENT, Path
from libs.filters.lookup import find_all
from libs.parameters import ABSENT, array_index

Values = list[object]
"""The values of one event, by slot."""


_Level = tuple[int, Callable[[object], tuple[object, ...]], tuple[str, ...], tuple[int, ...]]
"""How to read the container in one slot: by its keys all at once if it has them all, else by each key or index."""

_Tree = dict[str, "_Tree"]
_BODY: Final = 0
_HEADERS: Final = 1


class Layout:
    """The slots for a set of paths. A path with a star shares the slot of what comes before its first star."""

    def __init__(self, paths: Iterable[Path]) -> None:
        tree: _Tree = {"body": {}, "headers": {}}
        for path in sorted({_fixed(path) for path in paths}):
            below = tree
            for segment in path:
                below = below.setdefault(segment, {})
        self._slots: dict[Path, int] = {("body",): _BODY, ("headers",): _HEADERS}
        self._levels: list[_Level] = []
        size = self._number(("body",), tree["body"], 2)
        self._number(("headers",), tree["headers"], size)

    def _number(self, path: Path, tree: _Tree, size: int) -> int:
        """Number the slots below a path in the order in which `read` fills them; the new size."""
        if not tree:
            return size
        keys = (*tree, *tree) if len(tree) == 1 else tuple(tree)  # itemgetter of one key would return no tuple
        slots = range(size, size + len(keys))
        get = cast("Callable[[object], tuple[object, ...]]", itemgetter(*keys))
        self._levels.append((self._slots[path], get, keys, tuple(map(array_index, keys))))
        self._slots.update(zip(((*path, key) for key in keys), slots, strict=True))
        size += len(keys)
        for key, below in tree.items():
            size = self._number((*path, key), below, size)
        return size

    def read(self, body: object, headers: Mapping[str, str]) -> Values:
        """The values of all slots."""
        values: Values = [body, headers if isinstance(headers, dict) else dict(headers)]
        for slot, get, keys, indexes in self._levels:
            try:
                values += get(values[slot])
            except (LookupError, TypeError):
                values += _read_each(values[slot], keys, indexes)
        return values

    def slot(self, path: Path) -> int | None:
        """The slot that holds the value at a path; None for a path with a star, which has many values."""
        return self._slots.get(path)

    def reader(self, path: Path) -> Callable[[Values], Sequence[object]]:
        """Everything at a path, given the slots' values; absences are `ABSENT`."""
        fixed = _fixed(path)
        slot, rest = self._slots[fixed], path[len(fixed) :]
        if rest:
            return lambda values: find_all(values[slot], rest)
        return lambda values: (values[slot],)


def _fixed(path: Path) -> Path:
    """A path up to its first star."""
    return path[: path.index(ELEMENT)] if ELEMENT in path else path


def _read_each(container: object, keys: Iterable[str], indexes: Iterable[int]) -> list[object]:
    if isinstance(container, dict):
        return [container.get(key, ABSENT) for key in keys]
    if isinstance(container, list):
        return [container[i] if 0 <= i < len(container) else ABSENT for i in indexes]
    return [ABSENT for _ in keys]
