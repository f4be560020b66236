r"""Parameters: the paths by which authors name the leaves of a request.

A request is the document ``{"headers": {...}, "body": {...}}``. A parameter is a path to one of its leaves:
object keys and array indexes joined with ``.``, a literal ``.`` or ``\`` inside a key escaped with ``\``.
Empty objects and arrays are leaves. Within one document no two leaves share a path.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

# Bounds on a body. A stranger chooses its shape, so the flat form is bounded and not only the bytes: these together
# keep the clean event within the limit of a record. It has the paths once, and twice the body and the headers.
BODY_BYTES_LIMIT = 3 * 1024 * 1024
DEPTH_LIMIT = 64
LEAVES_LIMIT = 50_000  # Written anew nothing grows but numbers (1e15), and none beyond 25 bytes.
PATH_BYTES_LIMIT = 8 * 1024 * 1024  # of all paths as JSON strings, with their quotes

_INDEX_DIGITS = 19  # more than any array has, few enough that reading them costs nothing

_SEGMENT = re.compile(r"(?:[^.\\]|\\[.\\])*")
_JSON = msgspec.json.Encoder()


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
    stack: list[tuple[str, object]] = [("headers", headers), ("body", body)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict) and value:
            prefix = path + "."
            stack.extend((prefix + _segment(key), value[key]) for key in reversed(value))
        elif isinstance(value, list) and value:
            prefix = path + "."
            stack.extend((f"{prefix}{index}", value[index]) for index in range(len(value) - 1, -1, -1))
        else:
            flat[path] = value
    return flat


def _segment(key: str) -> str:
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


def fits(raw: bytes, body: Mapping[str, object]) -> bool:
    r"""Whether a decoded body stays within the limits on size, depth, leaves, and bytes of all its paths together.

    The counts of brackets and commas in the raw bytes bound the latter three from above, so a body of usual size
    is never walked. No path is longer than three times the body: of all characters "." grows most, to ``\\.``.
    """
    if len(raw) > BODY_BYTES_LIMIT:
        return False
    containers = raw.count(b"{") + raw.count(b"[")
    leaves = raw.count(b",") + containers
    if containers <= DEPTH_LIMIT and leaves <= LEAVES_LIMIT and 3 * leaves * len(raw) <= PATH_BYTES_LIMIT:
        return True
    return _walk_fits(body)


def _walk_fits(body: Mapping[str, object]) -> bool:
    leaves = path_bytes = 0
    stack: list[tuple[object, int, int]] = [(body, 1, len('"body"'))]
    while stack:
        value, depth, length = stack.pop()
        if depth > DEPTH_LIMIT and isinstance(value, dict | list):
            return False
        if isinstance(value, dict) and value:
            children = [(child, depth + 1, length + 1 + _encoded_length(key)) for key, child in value.items()]
        elif isinstance(value, list) and value:
            children = [(child, depth + 1, length + 1 + len(str(i))) for i, child in enumerate(value)]
        else:
            leaves += 1
            path_bytes += length
            if path_bytes > PATH_BYTES_LIMIT:
                return False
            children = []
        stack.extend(children)
        if leaves + len(stack) > LEAVES_LIMIT:  # whatever waits has a leaf at least
            return False
    return True


def _encoded_length(key: str) -> int:
    """How many bytes a key adds to a path in JSON."""
    return len(_JSON.encode(_segment(key))) - len('""')
