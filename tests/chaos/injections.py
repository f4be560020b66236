"""What is broken, how, and in which order: all combinations, shuffled by the seed."""

import asyncio
import enum
import itertools
import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from redis.asyncio import Redis

from deploy.local.process import Process
from tests.chaos import storage
from tests.chaos.cluster import Cluster
from tests.chaos.load import Mode
from tests.chaos.proxy import Link, Weather
from tests.e2e.workflow import settle


class Fault(enum.StrEnum):
    """What happens to a process, to its connections, or to what it has stored."""

    NONE = "nothing"
    KILL = "SIGKILL"
    FREEZE = "SIGSTOP"
    REFUSED = "connection refused"
    RESET = "reset"
    STALL = "stall"
    HALF_OPEN = "half-open"
    SLOW = "slow"
    LOSS = "loses its data"
    FULL_MEMORY = "memory full"
    NO_SNAPSHOT = "cannot save"
    OLD_SNAPSHOT = "restored from before"
    WRITE_ERRORS = "write errors"
    FULL_DISK = "disk full"
    RESTART = "restarted, one replica after the other"


SERVICES: Final = ("ingress", "normalizer", "trigger", "config")
REDIS: Final = "redis"
KAFKA: Final = "kafka"
NOBODY: Final = "nobody"
TARGETS: Final = (*SERVICES, REDIS, KAFKA)
LOSING: Final = (Fault.LOSS, Fault.OLD_SNAPSHOT)
"""What Redis forgets by these may cost extra events."""
_EVERYWHERE: Final = (
    Fault.KILL,
    Fault.FREEZE,
    Fault.REFUSED,
    Fault.RESET,
    Fault.STALL,
    Fault.HALF_OPEN,
    Fault.SLOW,
)
_OF_REDIS: Final = {
    Fault.FULL_MEMORY: storage.fill_memory,
    Fault.NO_SNAPSHOT: storage.fail_snapshots,
    Fault.OLD_SNAPSHOT: storage.restore_old,
}
_OF_DISKS: Final = {Fault.WRITE_ERRORS: storage.fail_writes, Fault.FULL_DISK: storage.fill_disk}
_STORED: Final = (*itertools.product((REDIS,), _OF_REDIS), *itertools.product((REDIS, KAFKA), _OF_DISKS))
_WEATHER: Final = {
    Fault.REFUSED: (Weather.REFUSED,),
    Fault.RESET: (Weather.RESET,),
    Fault.STALL: (Weather.STALL,),
    Fault.HALF_OPEN: (Weather.DEAF, Weather.MUTE),
    Fault.SLOW: (Weather.SLOW,),
}
_SHORT_S: Final = 4.0
# Past the time in which Kafka has to confirm: senders are answered 503 before it is over.
_PAST_PRODUCING_S: Final = 6.5
# Past the session of 10 s, so that partitions change hands and what was cut off comes back as a zombie.
_PAST_SESSION_S: Final = 11.5
_HAVE_SESSIONS: Final = ("normalizer", "trigger", KAFKA)
_PRODUCE: Final = ("ingress", KAFKA)
_DOWN_S: Final = 1.0
_ALL_REPLICAS: Final = 0.3
# Who reads before who writes, see docs/operations.md.
_UPGRADED: Final = ("trigger", "normalizer", "ingress", "config")
_CALM_S: Final = 120.0
_INTERRUPTED_EVERY_S: Final = 140.0
_INTERRUPTIONS: Final = (
    (KAFKA, Fault.REFUSED),
    (REDIS, Fault.RESET),
    ("trigger", Fault.STALL),
    ("normalizer", Fault.HALF_OPEN),
    ("ingress", Fault.RESET),
    ("config", Fault.REFUSED),
)
_SETTLED_WITHIN_S: Final = 60.0


class Injection(Struct, frozen=True, kw_only=True):
    """One fault; `everywhere` means all replicas of a service, otherwise it is one of them."""

    number: int
    target: str
    fault: Fault
    mode: Mode
    everywhere: bool

    def __str__(self) -> str:
        where = f"{self.target} (all)" if self.everywhere and self.target in SERVICES else self.target
        return f"#{self.number} {where}: {self.fault}, {self.mode}"


def plan(seed: int, count: int) -> list[Injection]:
    """The first `count` injections of this seed: all combinations in some order, then in another, and so on."""
    rng = random.Random(seed)
    matrix: list[tuple[str, Fault, Mode]] = [*itertools.product(TARGETS, _EVERYWHERE, Mode)]
    matrix += [(REDIS, Fault.LOSS, mode) for mode in Mode]
    chosen: list[Injection] = []
    while len(chosen) < count:
        for target, fault, mode in rng.sample(matrix, len(matrix)):
            everywhere = rng.random() < _ALL_REPLICAS
            chosen.append(Injection(number=len(chosen), target=target, fault=fault, mode=mode, everywhere=everywhere))
    return chosen[:count]


def storage_plan(seed: int) -> list[Injection]:
    """What may happen to the memory and the disks of Redis and Kafka, once under each load, in the seed's order."""
    combinations = [(target, fault, mode) for (target, fault), mode in itertools.product(_STORED, Mode)]
    return [
        Injection(number=number, target=target, fault=fault, mode=mode, everywhere=True)
        for number, (target, fault, mode) in enumerate(random.Random(seed).sample(combinations, len(combinations)))
    ]


def soak_plan(duration_s: float) -> list[Injection]:
    """A steady rate, interrupted by one fault after the other, about this long."""
    count = max(1, round((duration_s - _CALM_S) / _INTERRUPTED_EVERY_S))
    faults = itertools.islice(itertools.cycle(_INTERRUPTIONS), count)
    steps = [step for fault in faults for step in ((NOBODY, Fault.NONE), fault)] + [(NOBODY, Fault.NONE)]
    return [
        Injection(number=number, target=target, fault=fault, mode=Mode.STEADY, everywhere=False)
        for number, (target, fault) in enumerate(steps)
    ]


def rolling_plan() -> list[Injection]:
    """Every replica of every service, in the order of an upgrade."""
    return [
        Injection(number=number, target=target, fault=Fault.RESTART, mode=Mode.STEADY, everywhere=True)
        for number, target in enumerate(_UPGRADED)
    ]


async def inflict(cluster: Cluster, injection: Injection, rng: random.Random) -> None:
    """Break it, hold it for a while, and put it right; what was killed is ready again on return."""
    processes = _processes(cluster, injection, rng)
    match injection.fault:
        case Fault.NONE:  # what a fault before it has left behind is caught up with
            await settle(cluster.kafka.address, within_s=_SETTLED_WITHIN_S)
            await asyncio.sleep(_CALM_S)
        case Fault.KILL:
            await asyncio.gather(*map(cluster.kill, processes))
            await asyncio.sleep(_DOWN_S)
            await asyncio.gather(*map(cluster.revive, processes))
        case Fault.FREEZE:
            await _freeze(processes, _hold_s(injection))
        case Fault.RESTART:
            for process in processes:
                await cluster.restart(process)
        case Fault.LOSS:
            async with Redis.from_url(cluster.redis.address) as client:
                await client.flushall()
        case fault if fault in _OF_REDIS:
            await _OF_REDIS[fault](cluster, _SHORT_S)
        case fault if fault in _OF_DISKS:
            await _OF_DISKS[fault](cluster, processes[0], _PAST_PRODUCING_S)
        case _:
            await _cloud_over(_links(cluster, injection, processes, rng), injection, rng)


async def _freeze(processes: Sequence[Process], hold_s: float) -> None:
    for process in processes:
        process.suspend()
    try:
        await asyncio.sleep(hold_s)
    finally:
        for process in processes:
            process.resume()


async def _cloud_over(links: Sequence[Link], injection: Injection, rng: random.Random) -> None:
    weather = rng.choice(_WEATHER[injection.fault])
    await asyncio.gather(*(link.change(weather) for link in links))
    try:
        await asyncio.sleep(_hold_s(injection))
    finally:
        await asyncio.gather(*(link.change(Weather.FAIR) for link in links))


def _hold_s(injection: Injection) -> float:
    if injection.fault in {Fault.FREEZE, Fault.STALL, Fault.HALF_OPEN} and injection.target in _HAVE_SESSIONS:
        return _PAST_SESSION_S
    return _PAST_PRODUCING_S if injection.target in _PRODUCE else _SHORT_S


def _processes(cluster: Cluster, injection: Injection, rng: random.Random) -> list[Process]:
    if injection.target == NOBODY:
        return []
    if injection.target == REDIS:
        return [cluster.redis]
    if injection.target == KAFKA:
        return [cluster.kafka]
    replicas = [replica.process for replica in cluster.of(injection.target)]
    return replicas if injection.everywhere else [rng.choice(replicas)]


def _links(cluster: Cluster, injection: Injection, processes: Sequence[Process], rng: random.Random) -> list[Link]:
    if injection.target == REDIS:
        return [replica.to_redis for replica in cluster.replicas if replica.to_redis is not None]
    if injection.target == KAFKA:
        return [replica.to_kafka for replica in cluster.replicas]
    some = [replica for replica in cluster.replicas if replica.process in processes]
    both = [link for replica in some for link in replica.links]
    to_redis = [link for replica in some if (link := replica.to_redis) is not None]
    return rng.choice([both, to_redis or both, [replica.to_kafka for replica in some]])
