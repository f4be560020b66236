"""Replays: records that ended as dead letters, written anew to the topic they came from, and told by one header."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

# On requests and on events: where the record was first. The event of a replayed request has it too.
REPLAY_OF: Final = "inlet-replay-of"


class Origin(NamedTuple):
    """Where a record was before it was replayed, for the first time if it was more than once."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


_ORIGIN: Final = re.compile(rb"([a-z.-]{1,200})/([0-9]{1,9})/([0-9]{1,18})")


def origin_of(headers: Iterable[tuple[str, bytes | None]]) -> Origin | None:
    """Where a replayed record was first; None of any other record."""
    for name, value in headers:
        if name == REPLAY_OF and value is not None and (found := _ORIGIN.fullmatch(value)):
            return Origin(found[1].decode("ascii"), int(found[2]), int(found[3]))
    return None
