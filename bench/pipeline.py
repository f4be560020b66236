"""What an event costs the normalizer and the trigger service while they catch up, and how many they take in a second.

A backlog is written first; then a process is started, and its progress is read from the offsets that it commits, with
the processor time that it has taken until then. The beginning and the end are left out.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from bench.definitions import integration, many, publish, withdraw
from bench.floors import COPIER
from bench.machine import cpu_s
from bench.matching import event
from bench.report import Line, at_least, at_most, spread
from bench.requests import bodies, fresh
from bench.stage import Stage, running
from deploy.local.process import Process
from libs import topics
from libs.consumers import partitions_of
from libs.deduplication import Hasher
from libs.identifiers import new_event_id
from libs.messages import Event, Integration, IntegrationRef, Source, ascii_json, encode_metadata
from libs.parameters import flatten

NORMALIZER: Final = "inlet.normalizer"
TRIGGER: Final = "inlet.trigger"
_POLL_S: Final = 0.05
_STANDSTILL_S: Final = 60.0
_EDGE: Final = 0.15
_SIZES: Final = (10, 100_000)

Records = Iterable[tuple[bytes, bytes, list[tuple[str, bytes]]]]


class Reading(NamedTuple):
    """How far a process was at a moment, and what it had taken until then."""

    at_s: float
    cpu_s: float
    done: int


class Took(NamedTuple):
    """What events came to."""

    per_s: float
    cpu_us: float


async def normalizing(stage: Stage, rounds: int, count: int) -> AsyncIterator[Line]:
    """The normalizer beside a consumer that only copies, on the same requests: all deduplicated, none a duplicate."""
    await _write(stage.kafka, topics.REQUESTS, _requests(integration(1, deduplicates=True), count))
    took: dict[str, list[Took]] = {COPIER: [], NORMALIZER: []}
    for _ in range(rounds):
        for group, process in ((COPIER, stage.copier()), (NORMALIZER, stage.service("normalizer"))):
            await _begin_anew(stage.kafka, group, topics.REQUESTS)
            async with running(process):
                took[group].append(_middle(await _watch(stage.kafka, process, group, count), 0, count))
    for group, what in ((COPIER, "floor: a consumer that copies in transactions"), (NORMALIZER, "normalizer")):
        yield Line(f"{what}: CPU an event", spread([one.cpu_us for one in took[group]], " us"))
    ratios = [one.cpu_us / floor.cpu_us for one, floor in zip(took[NORMALIZER], took[COPIER], strict=True)]
    yield at_most("normalizer / copying in transactions", ratios, 2)
    per_s = [one.per_s for one in took[NORMALIZER]]
    yield at_least("normalizer, one process, catching up", per_s, 12_000, " events/s")


async def triggering(stage: Stage, rounds: int, count: int) -> AsyncIterator[Line]:
    """The whole step, for few and for many Business Events, of which an event satisfies as many."""
    few, exact, mixed = integration(10), integration(11), integration(12)
    rules = list(many(exact, _SIZES[1], mixed=False))
    await publish(stage.kafka, itertools.chain(many(few, _SIZES[0], mixed=False), rules))
    took = await _in_turn(stage, [few, exact], rounds, count)
    yield Line("trigger, 10 exact Business Events: CPU an event", spread([one.cpu_us for one in took[few.id]], " us"))
    yield Line(
        "trigger, 100,000 exact Business Events: CPU an event", spread([one.cpu_us for one in took[exact.id]], " us")
    )
    ratios = [one.per_s / other.per_s for one, other in zip(took[exact.id], took[few.id], strict=True)]
    yield at_least("trigger, 100,000 exact / 10, rate", ratios, 0.5)
    per_s = [one.per_s for one in took[exact.id]]
    yield at_least("trigger, 100,000 exact, one process, catching up", per_s, 10_000, " events/s")
    await withdraw(stage.kafka, rules)
    del rules
    await publish(stage.kafka, many(mixed, _SIZES[1], mixed=True))
    per_s = [one.per_s for one in (await _in_turn(stage, [mixed], rounds, count))[mixed.id]]
    yield at_least("trigger, 100,000 mixed, one process, catching up", per_s, 5_000, " events/s")


async def _in_turn(stage: Stage, owners: Sequence[Integration], rounds: int, count: int) -> dict[str, list[Took]]:
    """Events to each of these in turn, `count` at a time, taken by one process."""
    before = await _ends(stage.kafka, topics.EVENTS)
    for _ in range(rounds):
        for owner in owners:
            await _write(stage.kafka, topics.EVENTS, _events(owner, count))
    process, total = stage.service("trigger"), rounds * len(owners) * count
    async with running(process, within_s=120):
        readings = await _watch(stage.kafka, process, TRIGGER, before + total)
    blocks = itertools.product(range(rounds), range(len(owners)))
    took: dict[str, list[Took]] = {owner.id: [] for owner in owners}
    for number, (_, which) in enumerate(blocks):
        first = before + number * count
        took[owners[which].id].append(_middle(readings, first, first + count))
    return took


def _requests(owner: Integration, count: int) -> Records:
    """Requests as the ingress publishes them."""
    source = ascii_json(_source(owner))
    hasher = Hasher(owner.id, ("body.id",))
    headers = {"host": "hooks.example.com", "user-agent": "bench/1.0", "content-type": "application/json"}
    for body in itertools.islice(bodies(fresh()), count):
        metadata = encode_metadata(
            event_id=new_event_id(),
            received_at=_now(),
            source=source,
            headers=headers,
            deduplicated=True,
            definitions_offset=0,
        )
        yield (hasher({}, msgspec.json.decode(body)) or "").encode(), body, metadata


def _events(owner: Integration, count: int) -> Records:
    """Events as the normalizer publishes them."""
    chance, headers = random.Random(1), {"content-type": "application/json"}  # noqa: S311
    source = _source(owner)
    some = [msgspec.json.decode(event(chance), type=dict[str, object]) for _ in range(min(count, 20_000))]
    for body in itertools.islice(itertools.cycle(some), count):
        one = Event(
            id=new_event_id(),
            workspace=source.workspace,
            integration=source.integration,
            received_at=_now(),
            headers=headers,
            body=body,
            parameters=flatten(headers, body),
        )
        yield one.id.encode(), msgspec.json.encode(one), []


def _source(owner: Integration) -> Source:
    return Source(
        workspace=owner.workspace, integration=IntegrationRef(id=owner.id, name=owner.name, version=owner.version)
    )


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


async def _write(bootstrap: str, topic: str, records: Records) -> None:
    partitions = itertools.cycle(one.partition for one in await partitions_of(bootstrap, topic))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=256 * 1024, linger_ms=20) as producer:
        last = [await producer.send(topic, value, key, next(partitions), headers=more) for key, value, more in records]
        for future in last:
            await future


async def _begin_anew(bootstrap: str, group: str, topic: str) -> None:
    """Let a group, which must have no members, begin at the start."""
    partitions = await partitions_of(bootstrap, topic)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))


async def _ends(bootstrap: str, topic: str) -> int:
    """How many records a topic has had."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return sum((await consumer.end_offsets(await partitions_of(bootstrap, topic))).values())


async def _watch(bootstrap: str, process: Process, group: str, until: int) -> list[Reading]:
    """Read how far a group is until it is done so far."""
    readings: list[Reading] = []
    async with _administration(bootstrap) as admin, asyncio.timeout(_STANDSTILL_S) as limit:
        while not readings or readings[-1].done < until:
            committed = await admin.list_consumer_group_offsets(group)
            done = sum(max(0, offset.offset) for offset in committed.values())
            if readings and done > readings[-1].done:
                limit.reschedule(asyncio.get_running_loop().time() + _STANDSTILL_S)
            readings.append(Reading(time.monotonic(), cpu_s(process.pid), done))
            await asyncio.sleep(_POLL_S)
    return readings


def _middle(readings: Sequence[Reading], first: int, last: int) -> Took:
    """What the events between two positions came to, without the edges, between readings as if evenly."""
    edge = (last - first) * _EDGE
    begin, end = _at(readings, first + edge), _at(readings, last - edge)
    count = last - first - 2 * edge
    return Took(count / (end.at_s - begin.at_s), (end.cpu_s - begin.cpu_s) / count * 1e6)


def _at(readings: Sequence[Reading], done: float) -> Reading:
    before, after = next(pair for pair in itertools.pairwise(readings) if pair[0].done <= done <= pair[1].done)
    share = (done - before.done) / max(1, after.done - before.done)
    return Reading(
        before.at_s + share * (after.at_s - before.at_s),
        before.cpu_s + share * (after.cpu_s - before.cpu_s),
        round(done),
    )


@asynccontextmanager
async def _administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
