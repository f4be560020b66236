"""A rate limit as a token bucket, kept as one number: the time at which the bucket would be full again.

This is the generic cell rate algorithm (ITU-T I.371, annex A) in its virtual scheduling form, which decides exactly as
a bucket of `burst` tokens that is refilled at `per_second` would, without refilling anything.
"""

import hashlib
import secrets
from typing import Final

_ROWS: Final = 4
_WIDTH: Final = 4096


class TokenBucket:
    """A bucket that is full at first. Times are seconds of one monotonic clock."""

    __slots__ = ("_full_at", "_interval_s", "_tolerance_s")

    def __init__(self, per_second: float, burst: float) -> None:
        self._interval_s = 1 / per_second
        self._tolerance_s = (max(1.0, burst) - 1) / per_second
        self._full_at = 0.0

    def take(self, now_s: float) -> float:
        """Take a token and answer 0; or, if there is none, the seconds until there is one."""
        wait_s = self.wait(now_s)
        if not wait_s:
            self.spend(now_s)
        return wait_s

    def wait(self, now_s: float) -> float:
        """The seconds until there is a token; 0 if there is one."""
        return max(0.0, max(self._full_at, now_s) - self._tolerance_s - now_s)

    def spend(self, now_s: float) -> None:
        """Take a token, also one that is not there yet."""
        self._full_at = max(self._full_at, now_s) + self._interval_s

    def give_back(self) -> None:
        """Undo one `take` that answered 0, or one `spend`."""
        self._full_at -= self._interval_s


class TokenBuckets:
    """A bucket for each of any number of keys, in bounded memory.

    Strangers choose the keys, so none is remembered. Each has a bucket in every one of a few rows, found by a hash that
    only this process can compute, and shares it with whatever else is hashed to it: a count-min sketch (Cormode and
    Muthukrishnan, 2005). There is no token for a key while there is none in any of its buckets. So no other key can
    make a spent one be forgotten; and of `n` spent keys the chance to spend another one's buckets is `(n / width)^4`.
    """

    def __init__(self, per_second: float, burst: float, *, width: int = _WIDTH) -> None:
        self._per_second = per_second
        self._burst = burst
        self._width = width
        self._salt = secrets.token_bytes(16)
        self._buckets: dict[tuple[int, int], TokenBucket] = {}

    def __len__(self) -> int:
        """How many buckets there are: four times the width at most."""
        return len(self._buckets)

    def take(self, key: str, now_s: float) -> float:
        """As `TokenBucket.take`, from the buckets of this key."""
        buckets = self._of(key)
        wait_s = min(bucket.wait(now_s) for bucket in buckets)
        if not wait_s:
            for bucket in buckets:
                bucket.spend(now_s)
        return wait_s

    def give_back(self, key: str) -> None:
        """Undo one `take` that answered 0."""
        for bucket in self._of(key):
            bucket.give_back()

    def _of(self, key: str) -> list[TokenBucket]:
        digest = hashlib.blake2b(key.encode(errors="surrogatepass"), key=self._salt, digest_size=4 * _ROWS).digest()
        places = [int.from_bytes(digest[4 * row : 4 * row + 4], "big") % self._width for row in range(_ROWS)]
        return [self._bucket((row, place)) for row, place in enumerate(places)]

    def _bucket(self, place: tuple[int, int]) -> TokenBucket:
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = TokenBucket(self._per_second, self._burst)
        return bucket
