"""The stores of the ingress in memory: the claims, and the log of requests."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from libs.claims import WINDOW, Answer, ClaimsUnavailableError, Replayed
from libs.messages import Position
from services.ingress.acceptance import Record


class MemoryClaims:
    """`libs.claims.Claims` in memory. `down` makes every call fail; `calls` counts those of the ingress."""

    def __init__(self, window: timedelta = WINDOW, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.down = False
        self.calls = 0
        self._window_s = window.total_seconds()
        self._clock_s = clock_s
        # By hash: granted, owner, when it expires.
        self._values: dict[str, tuple[bool, Position, float]] = {}

    async def touch(self, key: str) -> Answer:
        self._called()
        value = self._get(key)
        if value is None:
            return Answer.MISS
        self._put(key, value[1], granted=True)
        return Answer.DUPLICATE if value[0] else Answer.GRANTED_ELSEWHERE

    async def claim(self, key: str, position: Position) -> Answer:
        self._called()
        granted, owner = self._get(key) or (False, position)
        self._put(key, owner, granted=True)
        if granted:
            return Answer.DUPLICATE
        return Answer.GRANTED if owner == position else Answer.GRANTED_ELSEWHERE

    async def resolve(self, records: Sequence[tuple[str, Position | Replayed]]) -> list[bool]:
        return [self._resolve(key, position) for key, position in records]

    async def owners(self, keys: Sequence[str]) -> list[Position | None]:
        """As `libs.owners.Owners`."""
        self._called()
        return [value[1] if (value := self._get(key)) else None for key in keys]

    async def ping(self) -> None:
        self._called()

    def _resolve(self, key: str, position: Position | Replayed) -> bool:
        if isinstance(position, Replayed):
            granted, owner = self._get(key) or (False, position.origin)
            self._put(key, owner, granted=granted)
            return owner == position.origin
        granted, owner = self._get(key) or (False, position)
        is_later = owner.partition == position.partition and owner.offset < position.offset
        self._put(key, owner if is_later else position, granted=granted)
        return not is_later

    def _called(self) -> None:
        self.calls += 1
        if self.down:
            raise ClaimsUnavailableError("down")

    def _get(self, key: str) -> tuple[bool, Position] | None:
        granted, owner, expiry = self._values.get(key, (False, Position(0, 0), -1.0))
        return (granted, owner) if expiry > self._clock_s() else None

    def _put(self, key: str, owner: Position, *, granted: bool) -> None:
        self._values[key] = granted, owner, self._clock_s() + self._window_s


class MemoryLog:
    """`RecordLog` in memory, one partition. While `confirming` is False records are stored and nobody is told."""

    def __init__(self) -> None:
        self.confirming = True
        self.records: list[Record] = []

    async def append(self, record: Record) -> Position | None:
        self.records.append(record)
        return Position(0, len(self.records) - 1) if self.confirming else None
