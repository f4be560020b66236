"""What the connections of all senders share: how many there may be, and who is in front when one has to go."""

from typing import Final, Protocol

_HEADS_LIMIT_BYTES: Final = 64 * 1024 * 1024


class Member(Protocol):
    """A connection."""

    def make_way(self) -> None:
        """End, because another one needs the place."""
        ...


class Crowd:
    """The connections of one ingress.

    `waiting` are those without a whole request, which owe nobody an answer: idle ones, and those whose head or body is
    still coming. Who has waited for the longest time is the first.
    """

    def __init__(self, connections_limit: int, heads_limit_bytes: int = _HEADS_LIMIT_BYTES) -> None:
        self.waiting: dict[Member, None] = {}
        self._connections_limit = connections_limit
        self._heads_limit_bytes = heads_limit_bytes
        self._heads_bytes = 0

    def admit(self, newcomer: Member, connections: int) -> bool:
        """Let a connection in, the last of so many, in the place of one that waits; False if none does."""
        if connections > self._connections_limit:
            if not self.waiting:
                return False
            next(iter(self.waiting)).make_way()
        self.waiting[newcomer] = None
        return True

    def charge(self, more_bytes: int) -> bool:
        """Count so many bytes more, or less, of heads that are not yet an application's; False if that is too much."""
        self._heads_bytes += more_bytes
        return self._heads_bytes <= self._heads_limit_bytes
