"""The body of a request: decoded, within limits, because a stranger chooses its shape."""

from typing import Final

import msgspec

from libs.decoding import SteadyDecoder
from libs.parameters import escaped

# Not only the bytes are bounded but the flat form: together these keep the clean event within the limit of a record.
# It has the paths once, and twice the body and the headers.
BODY_BYTES_LIMIT: Final = 3 * 1024 * 1024
DEPTH_LIMIT: Final = 64
LEAVES_LIMIT: Final = 50_000  # Written anew nothing grows but numbers (1e15), and none beyond 25 bytes.
CONTAINERS_LIMIT: Final = 100_000  # Objects and arrays: 3 MiB may have half a million, which take a second to walk.
PATH_BYTES_LIMIT: Final = 8 * 1024 * 1024  # of all paths as JSON strings, with their quotes

_BODY: Final = SteadyDecoder(dict[str, object])
_KEY: Final = msgspec.json.Encoder()
# A string is a key or a value, and there are fewer keys than values, objects and arrays together.
_STRINGS_LIMIT: Final = 2 * LEAVES_LIMIT + CONTAINERS_LIMIT


class BodyError(ValueError):
    """The body is no JSON object within the limits; the message says why, and repeats nothing of it."""


def decode_body(raw: bytes) -> dict[str, object]:
    r"""The JSON object in a body.

    The counts of brackets and commas in the raw bytes bound depth, leaves and paths from above, so a body of usual
    size is never walked. No path is longer than three times the body: of all characters "." grows most, to ``\\.``.

    Raises:
        BodyError: it is none in UTF-8, or exceeds a limit.
    """
    if len(raw) > BODY_BYTES_LIMIT:
        raise BodyError(f"it has more than {BODY_BYTES_LIMIT:,} bytes")
    containers = raw.count(b"{") + raw.count(b"[")
    leaves = raw.count(b",") + containers
    if leaves > LEAVES_LIMIT:
        _check_structure(raw)
    try:
        body = _BODY.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyError(str(error)[:200]) from error
    except RecursionError as error:
        raise BodyError(f"it is nested deeper than {DEPTH_LIMIT}") from error
    if containers > DEPTH_LIMIT or leaves > LEAVES_LIMIT or 3 * leaves * len(raw) > PATH_BYTES_LIMIT:
        _walk(body)
    return body


def _check_structure(raw: bytes) -> None:
    """Count what is outside of strings before anything is made of it: each comma is between two values."""
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 2 * _STRINGS_LIMIT:
        raise BodyError(f"it has more than {LEAVES_LIMIT:,} values")
    structure = b"".join(unescaped.split(b'"')[::2])
    if structure.count(b",") >= LEAVES_LIMIT:
        raise BodyError(f"it has more than {LEAVES_LIMIT:,} values")
    if structure.count(b"{") + structure.count(b"[") > CONTAINERS_LIMIT:
        raise BodyError(f"it has more than {CONTAINERS_LIMIT:,} objects and arrays")


def _walk(body: dict[str, object]) -> None:
    """Look at what is nested. Iterative, so the depth of the body costs memory and never the stack."""
    path_bytes = 0
    lengths: dict[str, int] = {}
    stack: list[tuple[dict[str, object] | list[object], int, int]] = [(body, 1, len('"body"'))]
    while stack:
        container, depth, length = stack.pop()
        if depth > DEPTH_LIMIT:
            raise BodyError(f"it is nested deeper than {DEPTH_LIMIT}")
        if not container:
            path_bytes += length
        elif isinstance(container, dict):
            for key, child in container.items():
                own = lengths.get(key) or lengths.setdefault(key, _encoded_length(key))
                if isinstance(child, dict | list):
                    stack.append((child, depth + 1, length + own))
                else:
                    path_bytes += length + own
        else:
            for index, child in enumerate(container):
                if isinstance(child, dict | list):
                    stack.append((child, depth + 1, length + 1 + len(str(index))))
                else:
                    path_bytes += length + 1 + len(str(index))
        if path_bytes > PATH_BYTES_LIMIT:
            raise BodyError(f"its paths have more than {PATH_BYTES_LIMIT:,} bytes")


def _encoded_length(key: str) -> int:
    """How many bytes a key, and the dot before it, add to a path in JSON."""
    return len(_KEY.encode(escaped(key))) - len('""') + 1
