"""A hundred thousand integrations with a Business Event each: starting, and how soon a change is in effect."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any, Final

import httpx
from aiokafka import AIOKafkaConsumer

from bench.definitions import integration, many, publish
from bench.machine import resident_mib
from bench.report import Line, spread
from bench.stage import Stage, running
from libs import topics

_COUNT: Final = 100_000
_FIRST: Final = 1_000_000
_EMAIL: Final = "admin@example.com"
_PASSWORD: Final = "correct horse battery"  # noqa: S105  of a service that lives for a minute


async def measure(stage: Stage, times: int) -> AsyncIterator[Line]:
    """Start each service three times, and then change something `times` times."""
    owners = [integration(_FIRST + number) for number in range(_COUNT)]
    rules = itertools.chain.from_iterable(many(owner, 1, mixed=True) for owner in owners)
    await publish(stage.kafka, itertools.chain(owners, rules))
    for name in ("ingress", "trigger"):
        took, memory = [], []
        for _ in range(3):
            process = stage.service(name)
            start = time.monotonic()
            async with running(process, within_s=120):
                took.append(time.monotonic() - start)
                memory.append(resident_mib(process.pid))
        what = f"{name} with {_COUNT:,} integrations and as many Business Events"
        yield Line(f"{what}: until ready", spread(took, " s"), "<= 10 s", max(took) <= 10)  # noqa: PLR2004
        yield Line(f"{what}: memory", spread(memory, " MiB"), "< 400 MB", max(memory) < 381)  # noqa: PLR2004
    yield await _in_effect(stage, times)


async def _in_effect(stage: Stage, times: int) -> Line:
    """From the API's answer until the ingress takes requests to what was published, and trigger knows the new rule."""
    database = f"sqlite:///{stage.folder / 'bench.db'}"
    async with AsyncExitStack() as stack:
        config = stage.service("config", database=database, admin_email=_EMAIL, admin_password=_PASSWORD)
        processes = [config, *map(stage.service, ("ingress", "normalizer", "trigger"))]
        for process in processes:
            await stack.enter_async_context(running(process, within_s=120))
        ingress = processes[1].address
        author = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{config.address}", timeout=30))
        sender = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        triggers = await stack.enter_async_context(
            AIOKafkaConsumer(topics.TRIGGERS, bootstrap_servers=stage.kafka, isolation_level="read_committed")
        )
        await triggers.seek_to_end()
        session = await _call(author, "/api/v1/session", {"email": _EMAIL, "password": _PASSWORD})
        author.headers["authorization"] = f"Bearer {session['token']}"
        waits = sorted([await _one(author, sender, ingress, triggers) for _ in range(times)])
    p50, p99 = waits[len(waits) // 2], waits[-1 - len(waits) // 100]
    return Line(
        f"from the API's answer until a change is in effect everywhere, {times} times",
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        "p99 <= 500 ms",
        p99 <= 500,  # noqa: PLR2004
    )


async def _one(author: httpx.AsyncClient, sender: httpx.AsyncClient, ingress: str, triggers: AIOKafkaConsumer) -> float:
    """Milliseconds until a new integration takes requests, or its new Business Event triggers, whichever is longer."""
    made = await _call(author, "/api/v1/integrations", {"name": "New", "auth": {"kind": "none"}})
    await _call(author, f"/api/v1/integrations/{made['id']}/publish", None)
    published = time.perf_counter()
    url = f"http://{ingress}{httpx.URL(made['url']).path}"
    while (await sender.post(url, json={})).status_code != HTTPStatus.OK:
        pass
    taken = time.perf_counter()
    await _call(author, "/api/v1/business-events", {"name": "New", "integrationId": made["id"], "where": {}})
    created = time.perf_counter()
    accepted: dict[bytes, float] = {}
    while True:
        answer = await sender.post(url, json={})
        accepted[answer.headers["x-request-id"].encode()] = time.perf_counter()
        for records in (await triggers.getmany(timeout_ms=1)).values():
            if known := [accepted[record.key] for record in records if record.key in accepted]:
                return max(taken - published, min(known) - created) * 1000
        await asyncio.sleep(0.005)


async def _call(client: httpx.AsyncClient, path: str, body: object) -> Any:  # noqa: ANN401 JSON
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None
