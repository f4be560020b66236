"""Identifiers: event ids that carry their time, trigger ids that follow from what they identify."""

import os
import time
from typing import Final
from uuid import UUID, uuid5

_VERSION_WITH_TIME: Final = 7


def new_event_id(now_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    at, random = f"{ms:012x}", os.urandom(10).hex()
    variant = "89ab"[int(random[3], 16) & 3]
    return f"{at[:8]}-{at[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"


def time_ms_of(identifier: str) -> int | None:
    """The Unix milliseconds in a UUIDv7; None of another id.

    Raises:
        ValueError: it is not a UUID.
    """
    read = UUID(identifier)
    return read.int >> 80 if read.version == _VERSION_WITH_TIME else None


def part_id(request_id: str, place: str) -> str:
    """The id of the event that a part of a request becomes: the UUIDv5 of the part's place in the request's id.

    Raises:
        ValueError: the request's id is not a UUID.
    """
    return str(uuid5(UUID(request_id), place))


def trigger_id(event_id: str, business_event_id: str) -> str:
    """The id of the one trigger of this event and Business Event: the UUIDv5 of the latter in the former.

    Raises:
        ValueError: the event id is not a UUID.
    """
    return str(uuid5(UUID(event_id), business_event_id))
