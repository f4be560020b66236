"""The client of Redis that the services use."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as NoAnswerError
from redis.typing import EncodableT

from libs.settings import SettingsError


def redis_client(url: str, timeout_s: float) -> Redis:
    """A client for claims, connected when it is first used; `timeout_s` bounds connecting and each call.

    It repeats nothing: a CLAIM whose answer was lost would find its own claim and call the first request a duplicate.
    Protocol 2 because the maintenance notifications that come with 3 keep the client from noticing, before it uses a
    connection, that Redis has closed it.

    Raises:
        SettingsError: `url` is none of Redis. The message does not repeat it.
    """
    try:
        client: Redis = Redis.from_url(
            url,
            connection_class=_NoticesResets,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise SettingsError("INLET_REDIS is not a URL like redis://host:6379/0") from error
    return client


class Script(Protocol):
    """A Lua script that answers with a number for each key."""

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> list[int]:
        """Run it. Raises what the client raises when Redis does not answer."""
        ...


class KeptScript:
    """A `Script` with a connection of its own, for one call at a time.

    Calls of redis-py's client, of which there may be many at once, cost three times as much.
    """

    def __init__(self, redis: Redis, source: str) -> None:
        self._pool = redis.connection_pool
        self._source = source
        self._sha: str = redis.register_script(source).sha
        self._timeout_s: float | None = self._pool.connection_kwargs.get("socket_timeout")
        self._connection: Connection | None = None

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> list[int]:
        """See `Script`. After a failure, or a call that was cancelled, the next one connects anew."""
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connected()
                try:
                    return await _answer(connection, "EVALSHA", self._sha, len(keys), *keys, *args)
                except NoScriptError:
                    return await _answer(connection, "EVAL", self._source, len(keys), *keys, *args)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {self._timeout_s} s") from error

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
            self._connection.socket_timeout = None  # there is a limit for the whole call
        elif self._connection.is_connected and await self._connection.can_read():
            await self._connection.disconnect(nowait=True)  # nothing is to be read but its end
        return self._connection


async def _answer(connection: Connection, *command: str | int) -> list[int]:
    packed: bytes = pack_command(command)  # type: ignore[arg-type]  # declared as a tuple of one
    await connection.send_packed_command(packed, check_health=False)
    answer: list[int] = await connection.read_response()
    return answer


class _NoticesResets(Connection):
    """Is replaced before it is used if it was reset while nobody used it.

    redis-py looks for the orderly end of a connection only. After a reset of many, one call after the other would
    fail, minutes later too. With TLS (``rediss://``) that is still so: it has a class of its own.
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """In C: in Python it is a tenth of all work of the normalizer. A name may be of two words."""
        name, *others = args
        packed: bytes = pack_command((*str(name).split(), *others))  # type: ignore[arg-type]  # see above
        return [packed]

    async def can_read(self) -> bool:
        return self._writer is None or self._writer.is_closing() or await super().can_read()
