"""Time limits for the hot path: one timer for everything under the same limit."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Patience(Generic[T]):
    """Calls `give_up` with what has waited longer than `limit_s`, at most a twentieth later.

    The limit is the same for all, so the first that began is the first that is due, and one timer, armed while
    something waits, is enough. A time-out of its own for each would be a tenth of the work of a request.
    """

    def __init__(self, limit_s: float, give_up: Callable[[T], None]) -> None:
        self._limit_s = limit_s
        self._give_up = give_up
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, item: T) -> None:
        """Start the time of `item`."""
        self._due[item] = asyncio.get_running_loop().time() + self._limit_s
        if self._timer is None:
            self._arm(self._due[item])

    def end(self, item: T) -> bool:
        """Stop it; False if it has been given up."""
        return self._due.pop(item, None) is not None

    def lose(self, item: T) -> None:
        """Give `item` up now, if it has not been."""
        if self.end(item):
            self._give_up(item)

    def _arm(self, due: float) -> None:
        # Later than due, so that a crowd is given up together and not by one pass over it for each.
        self._timer = asyncio.get_running_loop().call_at(due + self._limit_s / 20, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for item, due in list(self._due.items()):
            if due > now:
                self._arm(due)
                return
            if self.end(item):
                self._give_up(item)
