"""Who owns a hash, for those who only look: nothing is claimed and no window renewed."""

from collections.abc import Sequence
from typing import Protocol

from redis.asyncio import Redis

from libs.claims import FAILURES, ClaimsUnavailableError, name_of
from libs.messages import Position


class Owners(Protocol):
    """The claims as they are now."""

    async def owners(self, keys: Sequence[str]) -> list[Position | None]:
        """Where the owner of each hash is, None where nobody has claimed it.

        Raises:
            ClaimsUnavailableError: the store does not answer.
        """
        ...


class RedisOwners:
    """`Owners` in Redis, through a client made by `libs.claims.connect`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def owners(self, keys: Sequence[str]) -> list[Position | None]:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.get(name_of(key))
                return [_position(value) for value in await pipeline.execute()]
        except FAILURES as error:
            raise ClaimsUnavailableError(str(error)) from error


def _position(value: bytes | None) -> Position | None:
    if value is None:
        return None
    _, partition, offset = value.split(b":")
    return Position(int(partition), int(offset))
