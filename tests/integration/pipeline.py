"""The services of the pipeline as processes on a Kafka of their own, and what goes in and comes out."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from msgspec import Struct, field

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program
from libs import topics
from libs.health import AsgiApp
from libs.identifiers import new_event_id
from libs.messages import Batch, IntegrationRef, Source, ascii_json, encode_metadata
from tests.consuming import consumer_of, ends_of, read_up_to
from tests.eventually import eventually

RECEIVED_AT = "2026-01-31T09:15:30.123456Z"
RECEIVED_AT_MS = 1_769_850_930_123


class Sent(Struct, frozen=True, kw_only=True):
    """A record for an input topic; without a partition the key chooses it."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None


class Request(Struct, frozen=True, kw_only=True):
    """A request as the ingress accepts it. One with a hash is deduplicated, one with a batch is split."""

    integration: str
    body: bytes = b'{"complaint":{"id":"C-1"}}'
    hash: str = ""
    batch: Batch | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"x-form-id": "7"})
    received_at: str = RECEIVED_AT
    event_id: str = field(default_factory=new_event_id)

    def sent(self, partition: int | None = None) -> Sent:
        source = Source(workspace="w", integration=IntegrationRef(id=self.integration, name="Réclamations", version=3))
        metadata = encode_metadata(
            event_id=self.event_id,
            received_at=self.received_at,
            source=ascii_json(source),
            headers=self.headers,
            deduplicated=bool(self.hash),
            definitions_offset=0,
            batch=ascii_json(self.batch) if self.batch else None,
        )
        key = (self.integration if self.batch else self.hash or self.event_id).encode()
        return Sent(key=key, value=self.body, headers=metadata, partition=partition)


def new_integration() -> str:
    return str(uuid4())


async def send(bootstrap: str, topic: str, records: Iterable[Sent]) -> None:
    """Write records, in order within each partition, and return when all are durable."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_batch_size=1024 * 1024,
        max_request_size=2 * topics.RECORD_LIMIT_BYTES,
    )
    async with producer:
        futures = [
            await producer.send(topic, record.value, record.key, record.partition, headers=list(record.headers))
            for record in records
        ]
        for future in futures:
            await future


async def send_requests(bootstrap: str, requests: Iterable[Request]) -> None:
    await send(bootstrap, topics.REQUESTS, [request.sent() for request in requests])


class Reader:
    """A consumer that remembers everything it has read of one topic."""

    def __init__(self, consumer: AIOKafkaConsumer, uncommitted: AIOKafkaConsumer) -> None:
        self.records: list[ConsumerRecord] = []
        self._consumer = consumer
        self._uncommitted = uncommitted

    async def read_to_the_end(self) -> list[ConsumerRecord]:
        """Everything since the beginning, once the transactions that are open now have ended."""
        self.records += await read_up_to(self._consumer, await ends_of(self._uncommitted))
        return self.records

    async def wait_for(self, count: int, *, within_s: float = 60) -> list[ConsumerRecord]:
        """Return once at least so many records are there."""

        async def there() -> bool:
            return len(await self.read_to_the_end()) >= count

        await eventually(there, within_s=within_s, said=f"fewer than {count} records in {within_s} s")
        return self.records


@asynccontextmanager
async def reading(bootstrap: str, topic: str, isolation_level: str = "read_committed") -> AsyncIterator[Reader]:
    """A reader that begins with what is written from now on."""
    async with consumer_of(bootstrap, topic, isolation_level, begin="latest") as consumer:
        for partition in consumer.assignment():
            await consumer.position(partition)
        async with consumer_of(bootstrap, topic, "read_uncommitted") as uncommitted:
            yield Reader(consumer, uncommitted)


async def wait_until_consumed(bootstrap: str, topic: str, group: str, *, within_s: float = 60) -> None:
    """Return once the group has committed everything on the topic, so that what is not there will not come."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with consumer_of(bootstrap, topic) as consumer:

            async def is_consumed() -> bool:
                ends = await ends_of(consumer)
                done = await admin.list_consumer_group_offsets(group)
                return all(end == 0 or (one in done and done[one].offset >= end) for one, end in ends.items())

            await eventually(is_consumed, within_s=within_s, said=f"{group} has not consumed {topic}")
    finally:
        await admin.close()


def service(name: str, folder: Path, environment: dict[str, str], instance_id: str = "") -> Process:
    """One of the services as a process of its own."""
    address = f"{LOOPBACK}:{free_port()}"
    own = {"INLET_PORT": address.rpartition(":")[2], "INLET_INSTANCE_ID": instance_id, "INLET_DRAIN_S": "0"}

    async def is_ready() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://{address}/readyz")).is_success
        except httpx.TransportError:
            return False

    return Process(
        Program(
            name=name,
            command=(sys.executable, "-m", "services", name),
            address=address,
            log=folder / f"{name}-{address}.log",
            is_ready=is_ready,
            environment=environment | own,
        )
    )


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    """Start services, one after the other, and stop them at the end."""
    try:
        for process in processes:
            await process.start()
        yield
    finally:
        for process in processes:
            await process.stop()


async def metric(process: Process, line: str) -> float:
    """The value of a metric, by its name with its labels as ``/metrics`` spells them; 0 if it is not there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{process.address}/metrics")).text
    return next((float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(line + " ")), 0.0)


@asynccontextmanager
async def serving(app: AsgiApp) -> AsyncIterator[httpx.AsyncClient]:
    """The application of a service inside this process, between its start-up and its shutdown."""
    async with _lifespan(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inlet") as http:
        yield http


@asynccontextmanager
async def _lifespan(app: AsgiApp) -> AsyncIterator[None]:
    """Drive an application through its start-up and shutdown as a server does."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(_run(app({"type": "lifespan"}, to_app.get, from_app.put)))
    to_app.put_nowait({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        to_app.put_nowait({"type": "lifespan.shutdown"})
        await task
        assert from_app.get_nowait()["type"] == "lifespan.shutdown.complete"


async def _run(work: Awaitable[None]) -> None:
    await work
