"""What pages show of the last capture of an integration, and never more than a page has room for."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from libs.batches import parts_of
from libs.parameters import flatten
from services.config.console.excerpts import HEADER, beginning, bytes_of, fitting, whole, whole_json
from services.config.console.typed import held
from services.config.console.visit import Visit
from services.config.definitions import Capture, CaptureState, Integration
from services.config.errors import NotFoundError

_PARTS_LIMIT: Final = 20
_SUGGESTIONS_LIMIT: Final = 500
_SUGGESTIONS_LIMIT_BYTES: Final = 24 * 1024
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


async def shown_capture(visit: Visit, integration: Integration) -> ShownCapture | None:
    """The last capture; None if there never was one."""
    try:
        capture, state = await visit.control.captures.get(visit.identity, integration.id)
    except NotFoundError:
        return None
    # A sample of a few MiB takes a tenth of a second, in which everybody else would wait.
    sample = await asyncio.to_thread(_shown_sample, capture, integration.in_force.splits_batches)
    return ShownCapture(capture=capture, state=state, sample=sample)


def _shown_sample(capture: Capture, is_split: bool) -> ShownSample | None:  # noqa: FBT001  of a thread
    sample = capture.sample
    if sample is None:
        return None
    raw = bytes(sample.body)
    body = msgspec.json.decode(raw)
    parameters = flatten(sample.headers, body)
    return ShownSample(
        parameters=list(beginning(parameters)),
        count=len(parameters),
        raw=whole_json(raw),
        headers=whole("\n".join(f"{name}: {value}" for name, value in sample.headers.items())),
        suggestions=_suggested(_of_parts(sample.headers, body) if is_split else parameters),
        received_at=sample.received_at,
    )


def _suggested(parameters: Iterable[str]) -> Sequence[str]:
    def size(name: str) -> int:
        return bytes_of(held(name))

    return list(fitting(_suggestions(parameters), size, _SUGGESTIONS_LIMIT, _SUGGESTIONS_LIMIT_BYTES))


def _of_parts(headers: Mapping[str, str], body: Mapping[str, object]) -> Iterator[str]:
    """The parameters of the first parts, one after the other: what a condition looks at is one of them."""
    for part in islice(parts_of(body), _PARTS_LIMIT):
        yield from flatten(headers, part.body)


def _suggestions(parameters: Iterable[str]) -> Iterator[str]:
    """What a condition can be about: each parameter; and for one inside a list, before it, any element of the list."""
    seen: set[str] = set()
    for name in parameters:
        starred = name if name.startswith(HEADER) else _INDEX.sub("*", name)
        yield from (one for one in (starred, name) if one not in seen)
        seen |= {starred, name}
