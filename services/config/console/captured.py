"""What pages show of the last capture of an integration, and never more than a page has room for."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from markupsafe import escape
from msgspec import Struct

from libs.parameters import flatten
from services.config.console.rendering import pretty, short
from services.config.console.typed import held
from services.config.console.visit import Visit
from services.config.definitions import Capture, CaptureState
from services.config.errors import NotFoundError
from services.config.rules import PARAMETER_LIMIT

# The rest is in the REST API.
_PARAMETERS_LIMIT: Final = 200
_PARAMETERS_LIMIT_BYTES: Final = 56 * 1024
_ROWS_BYTES: Final = 290  # of one parameter in the table, and in the list to choose from
_RAW_LIMIT_BYTES: Final = 16 * 1024
_SUGGESTIONS_LIMIT: Final = 500
_SUGGESTIONS_LIMIT_BYTES: Final = 24 * 1024
_HEADER: Final = "headers."
_INDEX: Final = re.compile(r"(?<=\.)\d+(?=\.|$)")


class ShownSample(Struct, frozen=True, kw_only=True):
    """A captured request as a page shows it. `raw` and `headers` are empty where they are too long for a page."""

    parameters: Sequence[tuple[str, object]]
    count: int
    raw: str
    headers: str
    suggestions: Sequence[str]
    received_at: str


class ShownCapture(Struct, frozen=True, kw_only=True):
    """The last capture of an integration, and its state now."""

    capture: Capture
    state: CaptureState
    sample: ShownSample | None


async def shown_capture(visit: Visit, integration_id: str) -> ShownCapture | None:
    """The last capture; None if there never was one."""
    try:
        capture, state = await visit.control.captures.get(visit.identity, integration_id)
    except NotFoundError:
        return None
    return ShownCapture(capture=capture, state=state, sample=_shown_sample(capture))


def _shown_sample(capture: Capture) -> ShownSample | None:
    sample = capture.sample
    if sample is None:
        return None
    raw = bytes(sample.body)
    parameters = flatten(sample.headers, msgspec.json.decode(raw))
    return ShownSample(
        parameters=list(_beginning(parameters)),
        count=len(parameters),
        raw=_whole(pretty(raw)) if len(raw) <= _RAW_LIMIT_BYTES else "",
        headers=_whole("\n".join(f"{name}: {value}" for name, value in sample.headers.items())),
        suggestions=_suggested(parameters),
        received_at=sample.received_at,
    )


def _whole(text: str) -> str:
    return text if _bytes_of(text) <= _RAW_LIMIT_BYTES else ""


def _beginning(parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """As many of the body as there is room for, and the headers, which no body pushes out."""

    def size(name: str) -> int:
        return _ROWS_BYTES + 3 * _bytes_of(held(name)) + 2 * _bytes_of(short(parameters[name]))

    body = (name for name in parameters if not name.startswith(_HEADER))
    headers = (name for name in parameters if name.startswith(_HEADER))
    first = list(_fitting(headers, size, _PARAMETERS_LIMIT, _PARAMETERS_LIMIT_BYTES // 2))
    left = _PARAMETERS_LIMIT_BYTES - sum(map(size, first))
    for name in (*_fitting(body, size, _PARAMETERS_LIMIT - len(first), left), *first):
        yield name, parameters[name]


def _suggested(parameters: Iterable[str]) -> Sequence[str]:
    def size(name: str) -> int:
        return _bytes_of(held(name))

    return list(_fitting(_suggestions(parameters), size, _SUGGESTIONS_LIMIT, _SUGGESTIONS_LIMIT_BYTES))


def _suggestions(parameters: Iterable[str]) -> Iterator[str]:
    """What a condition can be about: each parameter; and for one inside a list, before it, any element of the list."""
    seen: set[str] = set()
    for name in parameters:
        starred = name if name.startswith(_HEADER) else _INDEX.sub("*", name)
        yield from (one for one in (starred, name) if one not in seen)
        seen |= {starred, name}


def _fitting(names: Iterable[str], size: Callable[[str], int], limit: int, limit_bytes: int) -> Iterator[str]:
    """The first so many that are no larger together, without those that nobody could choose."""
    count, left = limit, limit_bytes
    for name in names:
        if len(name) > PARAMETER_LIMIT:
            continue
        count, left = count - 1, left - size(name)
        if count < 0 or left < 0:
            return
        yield name


def _bytes_of(text: str) -> int:
    """In a page."""
    return len(escape(text).encode())
