"""A rate limit as a token bucket, kept as one number: the time at which the bucket would be full again.

This is the generic cell rate algorithm (ITU-T I.371, annex A) in its virtual scheduling form, which decides exactly as
a bucket of `burst` tokens that is refilled at `per_second` would, without refilling anything.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class TokenBucket:
    """A bucket that is full at first. Times are seconds of one monotonic clock."""

    __slots__ = ("_full_at", "_interval_s", "_tolerance_s")

    def __init__(self, per_second: float, burst: float) -> None:
        self._interval_s = 1 / per_second
        self._tolerance_s = (max(1.0, burst) - 1) / per_second
        self._full_at = 0.0

    def take(self, now_s: float) -> float:
        """Take a token and answer 0; or, if there is none, the seconds until there is one."""
        full_at = max(self._full_at, now_s)
        wait_s = full_at - self._tolerance_s - now_s
        if wait_s > 0:
            return wait_s
        self._full_at = full_at + self._interval_s
        return 0.0

    def give_back(self) -> None:
        """Undo one `take` that answered 0."""
        self._full_at -= self._interval_s

    def is_full(self, now_s: float) -> bool:
        """Whether it decides as a new one would."""
        return self._full_at <= now_s


class TokenBuckets(Generic[KeyT]):
    """A bucket for each key, at most `limit` of them.

    A bucket that is full again is forgotten without a loss. When `limit` keys are spent at once the oldest is
    forgotten, so that whoever invents keys fills neither the memory nor the way of everybody else.
    """

    def __init__(self, per_second: float, burst: float, *, limit: int = 10_000) -> None:
        self._per_second = per_second
        self._burst = burst
        self._limit = limit
        self._buckets: dict[KeyT, TokenBucket] = {}

    def take(self, key: KeyT, now_s: float) -> float:
        """As `TokenBucket.take`, from the bucket of this key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._limit:
                self._make_room(now_s)
            bucket = self._buckets[key] = TokenBucket(self._per_second, self._burst)
        return bucket.take(now_s)

    def give_back(self, key: KeyT) -> None:
        """Undo one `take` that answered 0."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back()

    def _make_room(self, now_s: float) -> None:
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full(now_s)}
        while len(self._buckets) >= self._limit:
            del self._buckets[next(iter(self._buckets))]
