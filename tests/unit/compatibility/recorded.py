"""Records as they were written when their kind of message was new: those of the first release, and later kinds.

They are frozen. What is kept for days, or for ever, has to be read by every later release.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from tests.unit.exactly_once.records import MemoryRecord


class _Line(Struct, frozen=True):
    topic: str
    key: str | None
    value: str
    headers: list[tuple[str, str]]


def recorded(topic: str) -> list[MemoryRecord]:
    """The records of a topic, in the order in which they were written."""
    lines = msgspec.json.decode(Path(__file__).with_name("recorded.json").read_bytes(), type=list[_Line])
    return [
        MemoryRecord(
            topic=line.topic,
            partition=3,
            offset=17,
            key=line.key.encode() if line.key is not None else None,
            value=line.value.encode(),
            headers=[(name, value.encode()) for name, value in line.headers],
        )
        for line in lines
        if line.topic == topic
    ]
