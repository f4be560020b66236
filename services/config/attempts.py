"""How often somebody may try what tells whether a secret is right, for what is tried and for where it comes from.

The counts are this process's own.
"""

import ipaddress
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from libs.token_bucket import TokenBuckets
from services.config.errors import ThrottledError, UnavailableError

_FAILURES_OF_A_PLACE: Final = 50
_HOST_BITS: Final = 64


class Attempts:
    """Bounded in memory, whatever strangers try; and what they try elsewhere takes no limit away."""

    def __init__(self, *, per_second: float, burst: int, counts_successes: bool, places: int = 1) -> None:
        """`per_second` and `burst` are for one subject, such as a user, at one place; whether successes count too.

        All places together have `places` times as much, so that a stranger at one of them locks nobody out.
        """
        self._of_place = TokenBuckets(1, _FAILURES_OF_A_PLACE)
        self._of_subject_there = TokenBuckets(per_second, burst)
        self._of_subject = TokenBuckets(per_second * places, burst * places)
        self._counts_successes = counts_successes

    @contextmanager
    def at(self, subject: str, address: str) -> Iterator[None]:
        """Around one attempt; it has failed if it raises, unless it could not be made at all.

        Raises:
            ThrottledError: there were too many.
        """
        now_s, place = time.monotonic(), place_of(address)
        # The place comes first: what it may not try does not count for the subject, which is somebody else's.
        wanted = (self._of_place, place), (self._of_subject_there, f"{subject} {place}"), (self._of_subject, subject)
        for number, (buckets, key) in enumerate(wanted):
            if wait_s := buckets.take(key, now_s):
                _give_back(wanted[:number])
                raise ThrottledError(wait_s)
        try:
            yield
        except UnavailableError:
            _give_back(wanted)
            raise
        _give_back(wanted[:1] if self._counts_successes else wanted)


def _give_back(taken: Iterable[tuple[TokenBuckets, str]]) -> None:
    for buckets, key in taken:
        buckets.give_back(key)


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address, which is the least a host is given.

    Everything that is no address is one place too.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "elsewhere"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return f"{int(ip) >> _HOST_BITS:x}/64"
