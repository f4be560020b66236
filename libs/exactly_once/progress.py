"""Notices partitions that stand still: owned, with records waiting, and nothing was committed or tried again."""

from collections.abc import Mapping
from typing import Final, NamedTuple

STANDSTILL_LIMIT_S: Final = 120.0


class StandstillError(Exception):
    """A partition stood still for longer than any transaction or repetition takes."""


class Mark(NamedTuple):
    """How far a partition is: which turn of owning it, committed up to where, and read up to where."""

    turn: int
    committed: int
    read: int


class Progress:
    """Remembers since when each waiting partition has its mark."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[Mark, float]] = {}

    def standing_still(self, now_s: float, waiting: Mapping[int, Mark]) -> list[int]:
        """The partitions that have waited too long at one mark; `waiting` are all where records wait now."""
        before, self._since = self._since, {}
        for partition, mark in waiting.items():
            known = before.get(partition)
            self._since[partition] = known if known is not None and known[0] == mark else (mark, now_s)
        return [partition for partition, (_, since) in self._since.items() if now_s - since > STANDSTILL_LIMIT_S]
