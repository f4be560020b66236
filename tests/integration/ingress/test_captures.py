"""Captures at the running ingress: what they take and refuse, and that they leave no other trace."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace
from redis.asyncio import Redis

from libs import topics
from libs.deduplication import Hasher
from libs.messages import Capture, Deduplication, Integration, RefusedSample, Sample
from tests.consuming import read_all
from tests.eventually import eventually
from tests.integration.ingress.serving import Ingress, an_integration, drafted, path_of
from tests.unit.ingress.credentials import VERIFY_TOKEN, meta_auth, signature

BY_ID = Deduplication(parameters=("body.id",))
REFUSED_LIMIT = 20
RAW = b'{"id": 1}'


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


def key_of(integration: Integration) -> str:
    """Where Redis keeps the claim of the request."""
    return f"inlet:dedup:{Hasher(integration.id, BY_ID.parameters)({}, {'id': 1})}"


async def arm(ingress: Ingress, integration_id: str, generation: int = 1) -> None:
    """Arm a capture, and return once the ingress knows of it."""
    until = datetime.now(UTC) + timedelta(seconds=90)
    await ingress.define(Capture(id=integration_id, generation=generation, expires_at=until))
    await ingress.publish()  # what is defined later is known later


async def samples_of(ingress: Ingress, integration_id: str) -> list[Sample | RefusedSample]:
    found = [
        msgspec.json.decode(record.value, type=Sample | RefusedSample)
        for record in await read_all(ingress.kafka, topics.SAMPLES)
        if record.key == integration_id.encode()
    ]
    return list(found)


async def until_there(ingress: Ingress, integration_id: str, count: int) -> list[Sample | RefusedSample]:
    async def are_there() -> bool:
        return len(await samples_of(ingress, integration_id)) >= count

    await eventually(are_there)
    return await samples_of(ingress, integration_id)


async def test_a_draft_takes_nothing_once_the_capture_has_expired_whoever_tells(ingress: Ingress) -> None:
    integration = an_integration()
    await ingress.define(drafted(integration))
    over = datetime.now(UTC) - timedelta(seconds=1)
    await ingress.define(Capture(id=integration.id, generation=1, expires_at=over))
    await ingress.publish()  # what is defined later is known later
    assert (await ingress.send(integration.id, RAW)).status_code == 404
    assert await samples_of(ingress, integration.id) == []


async def test_a_sample_of_a_draft_uses_up_no_key_and_is_no_request(ingress: Ingress, redis: Redis) -> None:
    integration = an_integration(deduplication=BY_ID)
    await ingress.define(drafted(integration))
    await arm(ingress, integration.id)
    answers = [await ingress.send(integration.id, RAW) for _ in range(2)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "OK")] * 2
    assert not any("x-request-id" in answer.headers for answer in answers)
    assert len(await until_there(ingress, integration.id, 2)) == 2
    assert await redis.exists(key_of(integration)) == 0
    assert await ingress.requests(integration.id) == []

    await ingress.define(integration)
    await ingress.publish()  # what is defined later is known later
    statuses = [(await ingress.send(integration.id, RAW)).status_code for _ in range(2)]
    assert statuses == [200, 204]
    assert await redis.exists(key_of(integration)) == 1  # it is the key that was looked for


@pytest.mark.parametrize("armed", [True, False])
async def test_what_is_published_works_as_without_a_capture(ingress: Ingress, redis: Redis, *, armed: bool) -> None:
    integration = an_integration(deduplication=BY_ID)
    await ingress.introduce(integration)
    if armed:
        await arm(ingress, integration.id)
    answers = [await ingress.send(integration.id, RAW) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 204]
    [request] = await ingress.requests(integration.id)
    assert await redis.get(key_of(integration)) == f"1:{request.partition}:{request.offset}".encode()
    copies = await until_there(ingress, integration.id, 2 if armed else 0)
    assert [isinstance(copy, Sample) and bytes(copy.body) == RAW for copy in copies] == ([True, True] if armed else [])


async def refusing(ingress: Ingress) -> Integration:
    """An integration whose capture is armed, and who may send to it needs a signature."""
    integration = an_integration()
    integration = replace(integration, auth=meta_auth(integration.id, "the app's secret"))
    await ingress.introduce(integration)
    await arm(ingress, integration.id)
    return integration


async def test_of_a_refused_request_nothing_is_kept_but_its_status_and_the_reason(ingress: Ingress) -> None:
    integration, mark = await refusing(ingress), uuid4().hex
    signed_by = {"x_hub_signature_256": signature(f'{{"{mark}": }}'.encode(), "the app's secret")}
    refused = [
        (await ingress.send(integration.id, f'{{"a": "{mark}"}}'.encode())).status_code,
        (await ingress.send(integration.id, f'{{"{mark}": }}'.encode(), **signed_by)).status_code,
        (await ingress.send(integration.id, mark.encode(), content_type=f"text/plain; {mark}")).status_code,
        (await ingress.send(integration.id, mark.encode(), content_encoding=mark)).status_code,
        (await ingress.http.put(path_of(integration.id), content=mark, params={"token": mark})).status_code,
    ]
    assert refused == [401, 400, 415, 415, 405]
    found = await until_there(ingress, integration.id, len(refused))
    assert sorted(one.status for one in found if isinstance(one, RefusedSample)) == sorted(refused)
    assert mark not in str(found)
    assert all(isinstance(one, RefusedSample) and one.reason for one in found)


async def test_the_author_sees_which_handshakes_failed_and_why_but_not_the_token_that_was_given(
    ingress: Ingress,
) -> None:
    integration, mark = an_integration(), uuid4().hex
    integration = replace(integration, auth=meta_auth(integration.id, "the app's secret"))
    await ingress.introduce(drafted(integration))
    await arm(ingress, integration.id)
    good = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"}
    for changed, status in (({"hub.verify_token": mark}, 403), ({"hub.challenge": ""}, 403), ({}, 200)):
        answer = await ingress.http.get(path_of(integration.id), params=good | changed)
        assert answer.status_code == status
    found = await until_there(ingress, integration.id, 2)
    assert {(one.status, one.reason) for one in found if isinstance(one, RefusedSample)} == {
        (403, "The hub.verify_token of the handshake is not the verify token of the integration"),
        (403, "The handshake must have hub.challenge, not empty and not repeated"),
    }
    assert len(found) == 2


async def test_whatever_strangers_send_the_author_is_told_of_a_limited_number_in_each_generation(
    ingress: Ingress,
) -> None:
    integration = await refusing(ingress)
    for generation in (1, 2):
        if generation > 1:
            await arm(ingress, integration.id, generation)
        statuses = await asyncio.gather(*(status_of_a_stranger(ingress, integration.id) for _ in range(60)))
        assert set(statuses) == {401}
        # By now all are written: the answer to the last request comes after everything before it.
        found = await until_there(ingress, integration.id, generation * REFUSED_LIMIT)
        assert len(found) == generation * REFUSED_LIMIT
    good = await ingress.send(integration.id, RAW, x_hub_signature_256=signature(RAW, "the app's secret"))
    assert good.status_code == 200
    found = await until_there(ingress, integration.id, 2 * REFUSED_LIMIT + 1)
    assert [type(one) for one in found[2 * REFUSED_LIMIT :]] == [Sample]


async def status_of_a_stranger(ingress: Ingress, integration_id: str) -> int:
    return (await ingress.send(integration_id, RAW)).status_code
