"""What senders see while Kafka or Redis is away, and when the ingress is told to stop."""

import asyncio
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.process import Process
from libs import topics
from libs.messages import Deduplication
from tests.eventually import eventually
from tests.integration.ingress.serving import Ingress, serving
from tests.integration.ingress.wire import wire_to
from tests.persistence import persist

REJECT = Deduplication(parameters=("body.id",))
ACCEPT = Deduplication(parameters=("body.id",), on_redis_down="accept")
SHORT = {"INLET_PRODUCE_TIMEOUT_S": "1"}
BOUND_S = 10


async def until_accepted(ingress: Ingress, integration_id: str) -> None:
    async def is_accepted() -> bool:
        return (await ingress.send(integration_id, b"{}")).status_code == 200

    await eventually(is_accepted, within_s=90)


async def assert_503_in_bounded_time(ingress: Ingress, integration_id: str, raw: bytes = b"{}") -> None:
    started = time.monotonic()
    answer = await ingress.send(integration_id, raw)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert time.monotonic() - started < BOUND_S


async def test_started_before_kafka_it_listens_and_becomes_ready_by_itself(
    private_kafka: Process, redis_url: str, tmp_path: Path
) -> None:
    await topics.ensure_topics(private_kafka.address)
    await private_kafka.stop()
    async with serving(private_kafka.address, redis_url, tmp_path, ready=False, settings=SHORT) as ingress:
        assert (await ingress.http.get("/healthz")).status_code == 200
        readiness = await ingress.http.get("/readyz")
        assert readiness.status_code == 503
        assert readiness.json() == {"definitions": False, "kafka": False, "redis": True}
        await assert_503_in_bounded_time(ingress, str(uuid4()))
        await private_kafka.start()

        async def is_ready() -> bool:
            return (await ingress.http.get("/readyz")).status_code == 200

        await eventually(is_ready, within_s=90)
        await until_accepted(ingress, await ingress.publish())
        await private_kafka.stop()
        os.kill(ingress.process.pid, signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await ingress.process.wait() in (0, -signal.SIGTERM)


@pytest.mark.parametrize("fault", ["killed", "suspended"])
async def test_without_kafka_the_answer_is_503_in_bounded_time_and_200_again_afterwards(
    private_kafka: Process, redis_url: str, tmp_path: Path, fault: str
) -> None:
    await topics.ensure_topics(private_kafka.address)
    async with serving(private_kafka.address, redis_url, tmp_path, settings=SHORT) as ingress:
        integration_id = await ingress.publish(REJECT)
        await until_accepted(ingress, integration_id)
        process = ingress.process.pid
        await (private_kafka.kill() if fault == "killed" else asyncio.to_thread(private_kafka.suspend))
        await asyncio.gather(*(assert_503_in_bounded_time(ingress, integration_id, b'{"id":1}') for _ in range(20)))
        assert (await ingress.http.get("/readyz")).json()["kafka"] is False
        await (private_kafka.start() if fault == "killed" else asyncio.to_thread(private_kafka.resume))
        await until_accepted(ingress, integration_id)
        # Whether the first 503 was stored or not, its retry is accepted once.
        given = [await persist(lambda: ingress.send(integration_id, b'{"id":1}')) for _ in range(3)]
        assert [statuses[-1] for statuses in given] == [200, 204, 204]
        assert ingress.process.pid == process


@pytest.mark.parametrize("fault", ["stopped", "suspended"])
async def test_without_redis_the_integration_s_policy_decides(
    kafka: str, private_redis: Process, tmp_path: Path, fault: str
) -> None:
    await topics.ensure_topics(kafka)
    async with serving(kafka, private_redis.address, tmp_path) as ingress:
        plain, reject, accept = [await ingress.publish(rules) for rules in (None, REJECT, ACCEPT)]
        assert (await ingress.send(reject, b'{"id":1}')).status_code == 200
        assert (await ingress.send(accept, b'{"id":1}')).status_code == 200
        await (private_redis.stop() if fault == "stopped" else asyncio.to_thread(private_redis.suspend))
        await assert_503_in_bounded_time(ingress, reject, b'{"id":2}')
        assert len(await ingress.requests(reject)) == 1
        for raw in (b'{"id":1}', b'{"id":2}'):
            answer = await ingress.send(accept, raw)
            assert (answer.status_code, answer.text) == (200, "OK")
            assert answer.headers["x-request-id"]
        assert (await ingress.send(plain, b"{}")).status_code == 200
        assert (await ingress.http.get("/readyz")).json() == {"definitions": True, "kafka": True, "redis": False}
        await (private_redis.start() if fault == "stopped" else asyncio.to_thread(private_redis.resume))

        async def reject_is_204_again() -> bool:
            return (await ingress.send(reject, b'{"id":1}')).status_code == 204

        await eventually(reject_is_204_again)
        assert (await persist(lambda: ingress.send(reject, b'{"id":2}')))[-1] == 200


async def test_sigterm_finishes_the_requests_in_hand(kafka: str, redis_url: str, tmp_path: Path) -> None:
    await topics.ensure_topics(kafka)
    async with serving(kafka, redis_url, tmp_path) as ingress:
        integration_id = await ingress.publish()
        await until_accepted(ingress, integration_id)
        async with wire_to(ingress.port) as wire:
            wire.head(integration_id, "Content-Length: 14")
            wire.writer.write(b'{"late":')
            await wire.writer.drain()
            os.kill(ingress.process.pid, signal.SIGTERM)

            async def refuses_connections() -> bool:
                try:
                    async with wire_to(ingress.port):
                        return False
                except OSError:
                    return True

            await eventually(refuses_connections)
            wire.writer.write(b" true}")
            reply = await wire.reply()
            assert (reply.status, reply.headers["connection"]) == (200, "close")
        async with asyncio.timeout(20):
            assert await ingress.process.wait() in (0, -signal.SIGTERM)
        assert [record.value for record in await ingress.requests(integration_id)].count(b'{"late": true}') == 1
