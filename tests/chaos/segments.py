"""Which records belong to aborted transactions, from the broker's own files: no client has a say in it.

The format is that of record batches, version 2 (https://kafka.apache.org/documentation/#recordbatch).
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.history import Place

# Base offset, length after these two; of the rest: attributes, last offset delta, producer id.
_PREFIX: Final = struct.Struct(">qi")
_HEADER: Final = struct.Struct(">iBIhiqqqhii")
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_ABORT: Final = 0


class _Batch(NamedTuple):
    first: int
    last: int
    attributes: int
    producer: int
    records: bytes


def aborted(data: Path, topic: str) -> set[Place]:
    """The records of a topic, from a broker's data folder, whose transaction has been aborted."""
    return {
        Place(topic, int(folder.name.rpartition("-")[2]), offset)
        for folder in data.glob(f"{topic}-[0-9]*")
        for offset in _aborted_in(folder)
    }


def _aborted_in(partition: Path) -> Iterator[int]:
    open_records: dict[int, list[int]] = defaultdict(list)
    for segment in sorted(partition.glob("*.log")):
        for batch in _batches(segment.read_bytes()):
            if batch.attributes & _CONTROL:
                ended = open_records.pop(batch.producer, [])
                if _control_type(batch.records) == _ABORT:
                    yield from ended
            elif batch.attributes & _TRANSACTIONAL:
                open_records[batch.producer] += range(batch.first, batch.last + 1)


def _batches(segment: bytes) -> Iterator[_Batch]:
    at = 0
    while at + _PREFIX.size + _HEADER.size <= len(segment):
        first, length = _PREFIX.unpack_from(segment, at)
        if length <= 0:  # the rest is allocated and not written
            return
        _, _, _, attributes, delta, _, _, producer, *_ = _HEADER.unpack_from(segment, at + _PREFIX.size)
        end = at + _PREFIX.size + length
        yield _Batch(first, first + delta, attributes, producer, segment[at + _PREFIX.size + _HEADER.size : end])
        at = end


def _control_type(records: bytes) -> int:
    """The type in a control record's key, which follows five small varints and the version: length, attributes,
    time, offset, length of the key.
    """
    at = 0
    for _ in range(5):
        while records[at] & 0x80:
            at += 1
        at += 1
    _, kind = struct.unpack_from(">hh", records, at)
    return int(kind)
