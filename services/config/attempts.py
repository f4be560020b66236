"""How often somebody may try what tells whether a secret is right, for what is tried and for where it comes from.

The counts are this process's own.
"""

import ipaddress
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from libs.token_bucket import TokenBuckets
from services.config.errors import ThrottledError

_FAILURES_OF_A_PLACE: Final = 50
_HOST_BITS: Final = 64


class Attempts:
    """Bounded in memory, whatever strangers try; and what they try elsewhere takes no limit away."""

    def __init__(self, *, per_second: float, burst: int, counts_successes: bool) -> None:
        """`per_second` and `burst` are for one subject, such as a user; whether it is only failures that count."""
        self._of_subject = TokenBuckets(per_second, burst)
        self._of_place = TokenBuckets(1, _FAILURES_OF_A_PLACE)
        self._counts_successes = counts_successes

    @contextmanager
    def at(self, subject: str, address: str) -> Iterator[None]:
        """Around one attempt; it has failed if it raises.

        Raises:
            ThrottledError: there were too many.
        """
        now_s, place = time.monotonic(), place_of(address)
        # The place comes first: what it may not try does not count for the subject, which is somebody else's.
        wait_s = self._of_place.take(place, now_s)
        if not wait_s and (wait_s := self._of_subject.take(subject, now_s)):
            self._of_place.give_back(place)
        if wait_s:
            raise ThrottledError(wait_s)
        yield
        self._of_place.give_back(place)
        if not self._counts_successes:
            self._of_subject.give_back(subject)


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
