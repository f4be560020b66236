"""Dead letters on a terminal. Senders have written much of it, so nothing of it reaches the terminal as a command."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from aiokafka.structs import ConsumerRecord
from msgspec import Struct

from libs.escaping import escaped
from libs.messages import IntegrationRef, ascii_json
from services.config.dead_letters.letters import Letter, Resolution

_COLUMNS: Final = ("PLACE", "RECEIVED", "CAUSE", "SERVICE", "BYTES", "EVENT", "INTEGRATION")


class Line(Struct, frozen=True, kw_only=True, rename="camel"):
    """A dead letter as a line of JSON."""

    place: str
    at: datetime
    cause: str
    service: str
    origin: str | None
    size_bytes: int
    event_id: str | None
    received_at: str | None
    workspace: str | None
    integration: IntegrationRef | None


def as_json(letter: Letter) -> str:
    """A line of JSON, in ASCII."""
    line = Line(
        place=str(letter.place),
        at=letter.at,
        cause=letter.cause,
        service=letter.service,
        origin=None if letter.origin is None else str(letter.origin),
        size_bytes=letter.size_bytes,
        event_id=letter.event_id,
        received_at=letter.received_at,
        workspace=letter.workspace,
        integration=letter.integration,
    )
    return escaped(ascii_json(line).decode("ascii"))


def table(letters: Sequence[Letter]) -> Iterator[str]:
    """A line for the head and one for each."""
    rows = [_COLUMNS, *map(_row, letters)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS) - 1)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])


def counts(causes: Mapping[str, int]) -> Iterator[str]:
    """A line for each cause, the most frequent first."""
    width = max((len(f"{count:,}") for count in causes.values()), default=0)
    for cause, count in sorted(causes.items(), key=lambda item: -item[1]):
        yield f"  {count:>{width},}  {escaped(cause)}"


def details(letter: Letter, record: ConsumerRecord, resolved: Resolution | None) -> Iterator[str]:
    """All that is known of one, without its body."""
    state = "open" if resolved is None else f"{resolved.action} {resolved.at.isoformat(timespec='seconds')}"
    known = {
        "place": str(letter.place),
        "state": state,
        "received": letter.received_at or letter.at.isoformat(),
        "cause": letter.cause,
        "service": letter.service,
        "record": str(letter.origin) if letter.origin else "",
        "event": letter.event_id or "",
        "workspace": letter.workspace or "",
        "integration": _integration(letter),
        "bytes": f"{letter.size_bytes:,}",
        "key": (record.key or b"").decode(errors="backslashreplace"),
    }
    for name, text in known.items():
        yield f"{name + ':':13}{escaped(text)}"
    yield "headers:"
    for name, value in record.headers:
        yield escaped(f"  {name}: {(value or b'').decode(errors='backslashreplace')}")


def body(record: ConsumerRecord) -> str:
    """The bytes of it as text, with its lines."""
    return escaped((record.value or b"").decode(errors="backslashreplace"), keep="\n\t")


def _row(letter: Letter) -> tuple[str, ...]:
    at = letter.at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    cells = (str(letter.place), at, letter.cause, letter.service, f"{letter.size_bytes:,}", letter.event_id or "-")
    return tuple(map(escaped, (*cells, _integration(letter) or "-")))


def _integration(letter: Letter) -> str:
    return f"{letter.integration.id} {letter.integration.name}" if letter.integration else ""
