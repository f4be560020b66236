"""As much of what somebody has sent as a page has room for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from markupsafe import escape

from services.config.console.rendering import pretty, short
from services.config.console.typed import held
from services.config.rules import PARAMETER_LIMIT

HEADER: Final = "headers."
_PARAMETERS_LIMIT: Final = 200
_PARAMETERS_LIMIT_BYTES: Final = 56 * 1024
_ROWS_BYTES: Final = 290  # of one parameter in the table, and in the list to choose from
_RAW_LIMIT_BYTES: Final = 16 * 1024


def beginning(parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """As many of the body as there is room for, and the headers, which no body pushes out."""

    def size(name: str) -> int:
        return _ROWS_BYTES + 3 * bytes_of(held(name)) + 2 * bytes_of(short(parameters[name]))

    body = (name for name in parameters if not name.startswith(HEADER))
    headers = (name for name in parameters if name.startswith(HEADER))
    first = list(fitting(headers, size, _PARAMETERS_LIMIT, _PARAMETERS_LIMIT_BYTES // 2))
    left = _PARAMETERS_LIMIT_BYTES - sum(map(size, first))
    for name in (*fitting(body, size, _PARAMETERS_LIMIT - len(first), left), *first):
        yield name, parameters[name]


def whole_json(raw: bytes) -> str:
    """A document on many lines; nothing where it is too long."""
    return whole(pretty(raw)) if len(raw) <= _RAW_LIMIT_BYTES else ""


def whole(text: str) -> str:
    """A text; nothing where it is too long."""
    return text if bytes_of(text) <= _RAW_LIMIT_BYTES else ""


def fitting(names: Iterable[str], size: Callable[[str], int], limit: int, limit_bytes: int) -> Iterator[str]:
    """The first so many that are no larger together, without those that nobody could choose."""
    count, left = limit, limit_bytes
    for name in names:
        if len(name) > PARAMETER_LIMIT:
            continue
        count, left = count - 1, left - size(name)
        if count < 0 or left < 0:
            return
        yield name


def bytes_of(text: str) -> int:
    """In a page."""
    return len(escape(text).encode())
