"""The client of Redis that the services use."""

from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

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


class _NoticesResets(Connection):
    """Is replaced before it is used if it was reset while nobody used it.

    redis-py looks for the orderly end of a connection only. After a reset of many, one call after the other would
    fail, minutes later too. With TLS (``rediss://``) that is still so: it has a class of its own.
    """

    async def can_read(self) -> bool:
        return self._writer is None or self._writer.is_closing() or await super().can_read()
