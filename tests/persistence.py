"""Senders that do as docs/sending.md says: what was answered 503 is sent again."""

from collections.abc import Awaitable, Callable

import httpx

from tests.eventually import eventually


async def persist(post: Callable[[], Awaitable[httpx.Response]], *, within_s: float = 90) -> list[int]:
    """Send until the answer is not 503; all statuses, in order.

    Raises:
        TimeoutError: it has been 503 for `within_s` seconds.
    """
    statuses: list[int] = []

    async def is_answered() -> bool:
        statuses.append((await post()).status_code)
        return statuses[-1] != 503

    await eventually(is_answered, within_s=within_s, said="503 again and again")
    return statuses
