"""What cannot be had for less: servers and a consumer that do a part of the work, and nothing else.

``empty``: uvicorn, httptools and uvloop, an application that reads the body and answers. ``produce``: the same, and
each body is durable in Kafka before it is answered, by the batch producer that the ingress has. ``copy``: records of
a topic in exactly-once transactions to another one, all partitions at once.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from libs import topics
from libs.consumers import partitions_of
from libs.exactly_once.outcomes import Output
from libs.exactly_once.transactions import Source, write
from libs.health import Receive, Scope, Send
from libs.identifiers import new_event_id
from services.ingress.acceptance import Record
from services.ingress.connection import Connection
from services.ingress.producer import BatchProducer

Take = Callable[[bytes], Awaitable[object]]

COPIER: Final = "inlet.copier"
_RECORDS_AT_ONCE: Final = 1000
_OK: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
}
_BODY: Final = {"type": "http.response.body", "body": b"OK"}


async def serve(port: int, take: Take, background: Callable[[], Awaitable[None]] | None = None) -> None:
    """Answer every request once `take` has its body."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] != "/readyz":
            await take(body)
        await send(_OK)
        await send(_BODY)

    configuration = uvicorn.Config(
        application,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    task = asyncio.ensure_future(background()) if background else None
    gc.freeze()
    await uvicorn.Server(configuration).serve()
    if task is not None:
        task.cancel()


async def empty(port: int) -> None:
    async def take(_body: bytes) -> None:
        pass

    await serve(port, take)


async def produce(port: int, bootstrap: str) -> None:
    connection = Connection(bootstrap, topics.REQUESTS)
    log = BatchProducer(connection, timeout_s=5, pending_limit_bytes=64 * 1024 * 1024)

    async def take(body: bytes) -> None:
        if await log.append(Record(new_event_id(), body, [], place=None)) is None:
            raise RuntimeError("Kafka has not confirmed")

    await serve(port, take, connection.run)


async def copy(bootstrap: str) -> None:
    """Copy requests to events until cancelled, from where the group has committed."""
    source = Source(bootstrap=bootstrap, service="copier", topic=topics.REQUESTS)
    partitions = await partitions_of(bootstrap, source.topic)
    async with AsyncExitStack() as stack:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=source.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await stack.enter_async_context(consumer)
        consumer.assign(partitions)
        producers = {one: await stack.enter_async_context(source.producer(one.partition)) for one in partitions}
        gc.freeze()
        while True:
            batches = await consumer.getmany(timeout_ms=100, max_records=_RECORDS_AT_ONCE)
            await asyncio.gather(
                *(_copy(producers[one], one, some, source.group) for one, some in batches.items() if some)
            )


async def _copy(
    producer: AIOKafkaProducer, partition: TopicPartition, records: list[ConsumerRecord], group: str
) -> None:
    outputs = [
        Output(
            topic=topics.EVENTS,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp_ms=record.timestamp,
        )
        for record in records
    ]
    await write(producer, outputs, (partition, records[-1].offset + 1), group)


def main(name: str, *arguments: str) -> None:
    match name, arguments:
        case "empty", [port]:
            uvloop.run(empty(int(port)))
        case "produce", [port, bootstrap]:
            uvloop.run(produce(int(port), bootstrap))
        case "copy", [bootstrap]:
            uvloop.run(copy(bootstrap))
        case _:
            sys.exit("python -m bench.floors empty PORT | produce PORT KAFKA | copy KAFKA")


if __name__ == "__main__":
    main(*sys.argv[1:])
