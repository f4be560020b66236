"""A load balancer: it asks every replica whether it is ready, as often as they do, and sends to those that are."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from deploy.local.rest import is_ready

_ASK_EVERY_S: Final = 0.25


class _Turns(Iterator[int]):
    def __init__(self, replicas: int) -> None:
        self.ready = [True] * replicas
        self._last = 0

    def __next__(self) -> int:
        """The next replica in turn that is ready; the next one if none is."""
        count = len(self.ready)
        following = [(self._last + step) % count for step in range(1, count + 1)]
        self._last = next((one for one in following if self.ready[one]), following[0])
        return self._last


@asynccontextmanager
async def balanced(addresses: Sequence[str]) -> AsyncIterator[Iterator[int]]:
    """Which of these a request goes to, one after the other."""
    turns = _Turns(len(addresses))

    async def follow() -> None:
        while True:
            turns.ready = list(await asyncio.gather(*map(is_ready, addresses)))
            await asyncio.sleep(_ASK_EVERY_S)

    following = asyncio.create_task(follow())
    try:
        yield turns
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
