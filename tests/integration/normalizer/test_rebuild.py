"""A Redis that was emptied gets back what the events tell, beside a normalizer that works on."""

import os
import subprocess
import sys
from asyncio import to_thread
from datetime import UTC, datetime, timedelta
from functools import partial

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs import topics
from libs.claims import Answer, RedisClaims
from libs.deduplication import Hasher, scope_of_parts
from libs.messages import Batch
from libs.redis import redis_client
from services.normalizer.app import build
from services.normalizer.settings import Settings
from tests.integration.pipeline import (
    Request,
    new_integration,
    reading,
    send_requests,
    serving,
    wait_until_consumed,
)

PART = "body.entry.0.changes.0.id"


def command(kafka: str, redis: str) -> subprocess.CompletedProcess[str]:
    """Run it as an operator does."""
    environment = os.environ | {"INLET_KAFKA": kafka, "INLET_REDIS": redis, "INLET_REDIS_TIMEOUT_S": "1"}
    return subprocess.run(
        [sys.executable, "-m", "services", "rebuild-dedup"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ago(time: timedelta) -> str:
    return f"{datetime.now(UTC).replace(tzinfo=None) - time:%Y-%m-%dT%H:%M:%S.%f}Z"


def hash_of(name: str) -> str:
    return Hasher(name, ["body.id"])({}, {"id": 1}) or ""


async def test_after_a_loss_duplicates_of_all_events_in_the_window_are_known_again(
    broker: Process, private_redis: Process, unique: str
) -> None:
    integration, now = new_integration(), ago(timedelta(minutes=1))
    url = private_redis.address
    many = [hash_of(f"{unique}-{number}") for number in range(700)]
    gone = hash_of(f"{unique}-gone")
    plain = [Request(integration=integration, hash=one, received_at=now) for one in many]
    old = Request(integration=integration, hash=gone, received_at=ago(timedelta(days=7, minutes=1)))
    other = Request(integration=integration, received_at=now)
    split = Request(
        integration=integration,
        batch=Batch(parameters=(PART,)),
        received_at=now,
        body=b'{"entry":[{"changes":[{"id":"a"},{"id":"b"}]}]}',
    )
    application = build(Settings(kafka=broker.address, redis=url)).app
    consumed = partial(wait_until_consumed, broker.address, topics.REQUESTS, "inlet.normalizer")
    async with reading(broker.address, topics.EVENTS) as events, serving(application):
        await send_requests(broker.address, [*plain, old, other, split])
        await consumed()
        before = len(await events.read_to_the_end())
        async with redis_client(url, timeout_s=10) as redis:
            claims = RedisClaims(redis)
            await redis.flushdb()
            told = await to_thread(command, broker.address, url)
            assert (told.returncode, told.stderr.splitlines()[-1]) == (
                0,
                "100% read: 702 deduplicated events, 702 claims restored",
            )
            assert [await claims.touch(one) for one in (many[0], gone)] == [Answer.DUPLICATE, Answer.MISS]
            parts = [
                Hasher(scope_of_parts(integration), [PART])({}, {"entry": [{"changes": [{"id": one}]}]}) for one in "ab"
            ]
            assert [await claims.touch(one or "") for one in parts] == [Answer.DUPLICATE] * 2
            again = await to_thread(command, broker.address, url)
            assert again.stderr.splitlines()[-1].endswith("702 deduplicated events, 0 claims restored")
        await send_requests(broker.address, [*plain, split])
        await consumed()
        assert len(await events.read_to_the_end()) == before == 704


async def test_what_cannot_be_reached_is_named_with_what_to_do(broker: Process, redis_url: str) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    without_redis = await to_thread(command, broker.address, f"redis://{nowhere}/0")
    assert without_redis.returncode == 1
    assert "Redis does not answer" in without_redis.stderr
    assert "Run it again" in without_redis.stderr
    without_kafka = await to_thread(command, nowhere, redis_url)
    assert without_kafka.returncode == 1
    assert "Kafka cannot be read" in without_kafka.stderr
    assert "Traceback" not in without_kafka.stderr + without_redis.stderr
