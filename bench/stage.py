"""Kafka and Redis with nothing in them, and processes to measure."""

import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from bench.definitions import MASTER_KEY
from deploy.local.kafka import kafka_server
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program
from deploy.local.redis import redis_server
from deploy.local.rest import is_ready
from libs.topics import ensure_topics


class Stage(Struct, frozen=True):
    """Where processes are started; `kafka` and `redis` are addresses."""

    folder: Path
    kafka: str
    redis: str

    def service(self, name: str, **more: str) -> Process:
        """A process of a service, on a free port, with `more` settings; not started."""
        port = free_port()
        settings = {
            "INLET_KAFKA": self.kafka,
            "INLET_REDIS": self.redis,
            "INLET_MASTER_KEY": MASTER_KEY,
            "INLET_HOST": LOOPBACK,
            "INLET_PORT": str(port),
            "INLET_DRAIN_S": "0",
            **{f"INLET_{setting.upper()}": value for setting, value in more.items()},
        }
        return self._process(name, port, ("-m", "services", name), lambda: is_ready(f"{LOOPBACK}:{port}"), settings)

    def floor(self, name: str) -> Process:
        """One of the servers of `bench.floors`, on a free port; not started."""
        port = free_port()
        arguments = (name, str(port), *([self.kafka] if name == "produce" else []))
        return self._process(name, port, ("-m", "bench.floors", *arguments), lambda: is_ready(f"{LOOPBACK}:{port}"))

    def copier(self) -> Process:
        """The consumer of `bench.floors`; not started."""

        async def at_once() -> bool:
            return True

        return self._process("copier", 0, ("-m", "bench.floors", "copy", self.kafka), at_once)

    def _process(
        self,
        name: str,
        port: int,
        command: tuple[str, ...],
        ready: Callable[[], Awaitable[bool]],
        environment: dict[str, str] | None = None,
    ) -> Process:
        return Process(
            Program(
                name=name,
                command=(sys.executable, *command),
                address=f"{LOOPBACK}:{port}",
                log=self.folder / f"{name}-{port}.log",
                is_ready=ready,
                environment=environment or {},
            )
        )


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Everything empty; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="inlet-bench-") as name:
        folder = Path(name)
        async with kafka_server(folder) as kafka, redis_server(folder) as redis:
            await ensure_topics(kafka.address)
            yield Stage(folder, kafka.address, redis.address)


@asynccontextmanager
async def running(process: Process, *, within_s: float = 60) -> AsyncIterator[Process]:
    """The process once it is ready; stopped at the end."""
    await process.start(within_s=within_s)
    try:
        yield process
    finally:
        await process.stop()
