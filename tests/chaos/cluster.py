"""The product as it is deployed: replicas of the services as processes, each behind links of its own to the brokers."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploy.local.demo import Admin
from deploy.local.kafka import kafka_process
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import REPOSITORY, Process, ProcessFailedError, Program
from deploy.local.redis import redis_process
from deploy.local.rest import is_ready
from deploy.local.settings import remembered_secrets
from libs.topics import ensure_topics
from tests.chaos.proxy import Link

REPLICAS: Final = {"ingress": 2, "normalizer": 2, "trigger": 2, "config": 1}
_NEED_REDIS: Final = ("ingress", "normalizer")
# Fewer than by default: a rebalance or a restart of Kafka then takes less of the run.
_PARTITIONS: Final = 6
_ADMIN_EMAIL: Final = "admin@chaos.test"
_START_LIMIT_S: Final = 120
_STOP_LIMIT_S: Final = 30
_RESTART_AFTER_S: Final = 0.5

Say = Callable[[str], None]


class Replica(Struct, frozen=True, kw_only=True):
    """A process of a service, and its ways to the brokers."""

    service: str
    process: Process
    to_kafka: Link
    to_redis: Link | None

    @property
    def links(self) -> list[Link]:
        return [self.to_kafka] if self.to_redis is None else [self.to_kafka, self.to_redis]


class Cluster:
    """Everything that can be broken, and whoever starts again what has ended."""

    def __init__(self, state: Path, kafka: Process, redis: Process, replicas: list[Replica], say: Say) -> None:
        self.admin = Admin(email=_ADMIN_EMAIL, password=remembered_secrets(state).admin_password)
        self.kafka = kafka
        self.state = state
        self.redis = redis
        self.replicas = replicas
        # How often a process has ended by itself, by its name.
        self.exits: Counter[str] = Counter()
        self._say = say
        self._down: set[str] = set()

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service == service]

    def addresses(self, service: str) -> list[str]:
        return [replica.process.address for replica in self.of(service)]

    async def kill(self, process: Process) -> None:
        """End it; it stays down until `revive`."""
        self._down.add(process.name)
        await process.kill()

    async def revive(self, process: Process) -> None:
        """Start what was killed, ready."""
        await process.start(within_s=_START_LIMIT_S)
        self._down.discard(process.name)

    async def restart(self, process: Process) -> None:
        """Do as an orchestrator does: SIGTERM, and this release's start once it has ended; ready on return.

        Raises:
            ProcessFailedError: it had to be killed, or was not ready in time.
        """
        self._down.add(process.name)
        await process.stop(grace_s=_STOP_LIMIT_S)  # which is the time that Kubernetes gives
        if (code := await process.wait()) != 0:
            raise ProcessFailedError(f"{process.name} was told to stop and ended with {code}")
        process.program = replace(process.program, folder=REPOSITORY)
        await self.revive(process)

    def note_exit(self, process: Process, code: int) -> None:
        """Count and say that a process has ended by itself."""
        self.exits[process.name] += 1
        self._say(f"{process.name} ended with {code}, see {process.log}")

    async def ready(self) -> bool:
        """Whether every service says that it is ready."""
        return all(await asyncio.gather(*(is_ready(replica.process.address) for replica in self.replicas)))

    async def supervise(self, replica: Replica) -> None:
        """Start a service again when it ends by itself, as whatever runs it would. Never returns."""
        process = replica.process
        while True:
            code = await process.wait()
            await asyncio.sleep(_RESTART_AFTER_S)
            if process.name in self._down or _runs(process):
                continue
            self.note_exit(process, code)
            try:
                await process.start(within_s=_START_LIMIT_S)
            except ProcessFailedError as error:
                self._say(str(error))


def _runs(process: Process) -> bool:
    try:
        return process.pid > 0
    except ProcessFailedError:
        return False


@asynccontextmanager
async def running_cluster(
    state: Path, seed: int, say: Say, settings: Mapping[str, str] | None = None, tree: Path = REPOSITORY
) -> AsyncIterator[Cluster]:
    """The cluster once it is ready; at the end nothing of it is left.

    `settings` are of every service, and `tree` is the release that is run until a process is restarted.

    Raises:
        ProcessFailedError: something was not ready in time.
        OSError: Kafka's jars or a redis-server cannot be had.
    """
    rng = random.Random(f"network {seed}")
    names = [f"{service}-{number}" for service, count in REPLICAS.items() for number in range(count)]
    kafka_port, redis_port, *ports = free_ports(2 + 2 * len(names))
    listeners = dict(zip(names, ports[: len(names)], strict=True))
    async with AsyncExitStack() as stack:
        to_kafka = {name: await stack.enter_async_context(Link(LOOPBACK, listeners[name], rng)) for name in names}
        to_redis = {
            name: await stack.enter_async_context(Link(LOOPBACK, redis_port, rng))
            for name in names
            if name.startswith(_NEED_REDIS)
        }
        kafka = await kafka_process(state, kafka_port, {listeners[name]: to_kafka[name].address for name in names})
        redis = redis_process(state, redis_port, fsync="always")
        http = dict(zip(names, ports[len(names) :], strict=True))
        replicas = [_replica(name, state, http, to_kafka[name], to_redis.get(name), settings or {}) for name in names]
        for replica in replicas:
            replica.process.program = replace(replica.process.program, folder=tree)
        cluster = Cluster(state, kafka, redis, replicas, say)
        try:
            await asyncio.gather(kafka.start(), redis.start())
            await ensure_topics(kafka.address, partitions=_PARTITIONS)
            await asyncio.gather(*(replica.process.start(within_s=_START_LIMIT_S) for replica in replicas))
            async with asyncio.TaskGroup() as group:
                supervisors = [group.create_task(cluster.supervise(replica)) for replica in replicas]
                try:
                    yield cluster
                finally:
                    for supervisor in supervisors:
                        supervisor.cancel()
        finally:
            await _stop(replica.process for replica in replicas)
            await _stop([kafka, redis])


async def _stop(processes: Iterable[Process]) -> None:
    some = list(processes)
    for process in some:
        process.resume()  # what is frozen does not stop
    await asyncio.gather(*(process.stop() for process in some))


def _replica(
    name: str, state: Path, http: dict[str, int], to_kafka: Link, to_redis: Link | None, settings: Mapping[str, str]
) -> Replica:
    service = name.partition("-")[0]
    secrets = remembered_secrets(state)
    address = f"{LOOPBACK}:{http[name]}"
    environment = {
        "INLET_HOST": LOOPBACK,
        "INLET_PORT": str(http[name]),
        "INLET_INSTANCE_ID": name,
        "INLET_KAFKA": to_kafka.address,
        "INLET_MASTER_KEY": secrets.master_key,
        "INLET_DATABASE": f"sqlite:///{state.resolve() / 'inlet.db'}",
        "INLET_ADMIN_EMAIL": _ADMIN_EMAIL,
        "INLET_ADMIN_PASSWORD": secrets.admin_password,
        "INLET_INGRESS_URL": f"http://{LOOPBACK}:{http['ingress-0']}",
        "INLET_DRAIN_S": "0",
    }
    if to_redis is not None:
        environment["INLET_REDIS"] = f"redis://{to_redis.address}/0"
    program = Program(
        name=name,
        command=(sys.executable, "-m", "services", service),
        address=address,
        log=state / "logs" / f"{name}.log",
        is_ready=lambda: is_ready(address),
        environment=environment | dict(settings),
    )
    return Replica(service=service, process=Process(program), to_kafka=to_kafka, to_redis=to_redis)
