"""Waiting in tests: for a condition and never for an amount of time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30, said: str = "") -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: it did not within `within_s` seconds; the message is `said`.
    """
    deadline = time.monotonic() + within_s
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(said or f"not within {within_s} s")
        await asyncio.sleep(0.02)
