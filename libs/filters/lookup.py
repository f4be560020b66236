"""What is found at a parameter of a decoded document.

A segment is a key of an object or an index of an array. ``*`` is every element
of an array; on an object it is an ordinary key, so whatever flattening names can be asked for.
"""

from collections.abc import Iterable

from libs.filters.language import ELEMENT, Path
from libs.parameters import ABSENT, array_index


def find_all(value: object, path: Path) -> list[object]:
    """Everything at a path: one value or `ABSENT` for each array element that its stars pass through.

    Without a star that is exactly one; with one, an array without elements, or no array at all, gives nothing.
    """
    found = [value]
    for segment in path:
        found = [below for above in found for below in _step(above, segment)]
    return found


def _step(value: object, segment: str) -> Iterable[object]:
    if segment == ELEMENT:
        if isinstance(value, list):
            return value
        return (value[ELEMENT],) if isinstance(value, dict) and ELEMENT in value else ()
    if isinstance(value, dict):
        return (value.get(segment, ABSENT),)
    if isinstance(value, list) and 0 <= (position := array_index(segment)) < len(value):
        return (value[position],)
    return (ABSENT,)
