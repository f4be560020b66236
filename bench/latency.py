"""How long it takes from a sender's 200 until a workflow reads the trigger, stage by stage."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import quantiles
from typing import Final

from aiokafka import AIOKafkaConsumer

from bench.definitions import business_events, integration, publish
from bench.load import at_a_rate
from bench.report import Line
from bench.requests import bodies, fresh, posts
from bench.stage import Stage, running
from libs import topics
from libs.filters import All

_PER_S: Final = 500.0
_CONNECTIONS: Final = 32
_WARM_UP_S: Final = 2.0
_LIMIT_S: Final = 60.0
_ID: Final = b"x-request-id: "

# Event ids with the moment of what is measured.
Moments = dict[bytes, float]


async def measure(stage: Stage, duration_s: float) -> AsyncIterator[Line]:
    """Send to an integration with one Business Event that every event satisfies, and read what comes of it."""
    owner = integration(20)
    await publish(stage.kafka, [owner, *business_events(owner, [All(parts=())])])
    accepted: Moments = {}

    def note(head: bytes, at_s: float) -> None:
        accepted[head.partition(_ID)[2].partition(b"\r\n")[0]] = at_s

    async with AsyncExitStack() as stack:
        ingress, _, _ = [
            await stack.enter_async_context(running(stage.service(name)))
            for name in ("ingress", "normalizer", "trigger")
        ]
        events, triggers = [
            await stack.enter_async_context(_reading(stage.kafka, topic)) for topic in (topics.EVENTS, topics.TRIGGERS)
        ]
        requests = posts(owner, bodies(fresh()))
        for seconds in (_WARM_UP_S, duration_s):
            accepted.clear()
            await at_a_rate(
                ingress.address, requests, per_s=_PER_S, duration_s=seconds, connections=_CONNECTIONS, on_answer=note
            )
            async with asyncio.timeout(_LIMIT_S):
                while not accepted.keys() <= triggers.keys():  # noqa: ASYNC110 nobody tells
                    await asyncio.sleep(0.01)
    what = f"{_PER_S:,.0f} events a second, from the 200 until"
    _, _, line = _line(f"{what} the event is readable", accepted, events)
    yield line
    p50, p99, line = _line(f"{what} the trigger is readable", accepted, triggers)
    yield line._replace(target="p50 <= 40 ms, p99 <= 150 ms", holds=p50 <= 40 and p99 <= 150)  # noqa: PLR2004


def _line(what: str, begun: Mapping[bytes, float], ended: Mapping[bytes, float]) -> tuple[float, float, Line]:
    shares = quantiles([(ended[one] - at_s) * 1000 for one, at_s in begun.items()], n=100)
    p50, p99 = shares[49], shares[98]
    return p50, p99, Line(what, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms")


@asynccontextmanager
async def _reading(bootstrap: str, topic: str) -> AsyncIterator[Moments]:
    """When each key of a topic could first be read by a `read_committed` consumer, from now on."""
    seen: Moments = {}

    async def read() -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            now = time.perf_counter()
            for records in batches.values():
                for record in records:
                    seen.setdefault(record.key, now)

    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="latest",
        fetch_max_wait_ms=50,
    ) as consumer:
        await consumer.seek_to_end()
        task = asyncio.create_task(read())
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.wait([task])
