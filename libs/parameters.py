r"""Parameters: the paths by which authors name the leaves of a request.

A request is the document ``{"headers": {...}, "body": {...}}``. A parameter is a path to one of its leaves:
object keys and array indexes joined with ``.``, a literal ``.`` or ``\`` inside a key escaped with ``\``.
Empty objects and arrays are leaves. Within one document no two leaves share a path.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

_INDEX_DIGITS = 19  # more than any array has, few enough that reading them costs nothing

_SCALARS = (str, int, float)

_SEGMENT = re.compile(r"(?:[^.\\]|\\[.\\])*")


class Absent:
    """The type of `ABSENT`, the answer of `find` when a document has no such leaf (JSON null is a value)."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def escape(key: str) -> str:
    """Turn an object key into one path segment."""
    return key.replace("\\", "\\\\").replace(".", "\\.")


def join(segments: Iterable[str]) -> str:
    """Join keys and indexes into a path; the inverse of `split`."""
    return ".".join(map(escape, segments))


def split(path: str) -> tuple[str, ...]:
    r"""Split a path into its keys and indexes; the inverse of `join`.

    Raises:
        ValueError: a ``\`` that escapes neither ``.`` nor ``\``.
    """
    segments: list[str] = []
    position = 0
    while True:
        match = _SEGMENT.match(path, position)
        end = match.end() if match else position
        segments.append(re.sub(r"\\(.)", r"\1", path[position:end], flags=re.DOTALL))
        if end == len(path):
            return tuple(segments)
        if path[end] != ".":
            raise ValueError(f"'\\' at character {end} must be followed by '.' or '\\'")
        position = end + 1


def flatten(headers: Mapping[str, str], body: Mapping[str, object]) -> dict[str, object]:
    """Flatten a request into ``{path: leaf}``, in document order, headers last.

    Iterative, so the depth of the body costs memory and never the stack.
    """
    flat: dict[str, object] = {}
    for name, document in (("body", body), ("headers", headers)):
        if not document:
            flat[name] = document
            continue
        stack: list[tuple[str, Iterator[tuple[str, object]]]] = [(name + ".", iter(document.items()))]
        while stack:
            prefix, children = stack[-1]
            for key, value in children:
                path = prefix + (escape(key) if "." in key or "\\" in key else key)
                if not value or isinstance(value, _SCALARS):
                    flat[path] = value
                elif isinstance(value, dict):
                    stack.append((path + ".", iter(value.items())))
                    break
                elif isinstance(value, list):
                    stack.append((path + ".", zip(map(str, range(len(value))), value, strict=True)))
                    break
            else:
                stack.pop()
    return flat


def escaped(key: str) -> str:
    """As `escape`, for keys that seldom need it."""
    return escape(key) if "." in key or "\\" in key else key


def find(segments: tuple[str, ...], headers: Mapping[str, str], body: Mapping[str, object]) -> object:
    """The leaf at a split path, or `ABSENT`: what `flatten` would hold there, without flattening.

    A non-empty object or array is no leaf, so it is absent.
    """
    value: object = {"headers": headers, "body": body}
    for segment in segments:
        if isinstance(value, dict):
            value = value.get(segment, ABSENT)
        elif isinstance(value, list):
            index = array_index(segment)
            value = value[index] if 0 <= index < len(value) else ABSENT
        else:
            return ABSENT
    return ABSENT if isinstance(value, dict | list) and value else value


def array_index(segment: str) -> int:
    """The array index that a segment names, written as `flatten` does (ASCII, no sign, no leading zero), or -1."""
    canonical = segment.isascii() and segment.isdigit() and (segment == "0" or segment[0] != "0")
    return int(segment) if canonical and len(segment) < _INDEX_DIGITS else -1
