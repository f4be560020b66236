"""Captures: what the ingress saw, as an author gets to see it."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from libs import topics
from libs.messages import Capture, RefusedSample, Sample
from tests.eventually import eventually
from tests.integration.config.control_plane import Clock, ControlPlane, serving, settings
from tests.integration.config.topic import definitions_topic

RAW = b'{"complaint": {"id": 12345678901234567890, "tags": [], "open": true, "a.b": null}}'
AT = "2026-01-31T09:15:30.123456Z"


@pytest_asyncio.fixture
async def live(kafka: str, tmp_path: Path, clock: Clock) -> AsyncIterator[ControlPlane]:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path, kafka), clock) as plane:
        yield plane


def path_of(integration_id: str) -> str:
    return f"/api/v1/integrations/{integration_id}/capture"


async def see(kafka: str, *samples: Sample | RefusedSample) -> None:
    """Do as an ingress that has seen these."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for sample in samples:
            key = sample.integration_id.encode()
            await producer.send_and_wait(topics.SAMPLES, msgspec.json.encode(sample), key)


def sample(integration_id: str, generation: int = 1, raw: bytes = RAW) -> Sample:
    headers = {"x-form-id": "7"}
    return Sample(
        integration_id=integration_id, generation=generation, received_at=AT, headers=headers, body=msgspec.Raw(raw)
    )


def refused(integration_id: str, reason: str = "no signature") -> RefusedSample:
    return RefusedSample(integration_id=integration_id, generation=1, received_at=AT, status=401, reason=reason)


async def state_of(plane: ControlPlane, integration_id: str) -> str:
    return str((await plane.call("GET", path_of(integration_id)))["state"])


async def until(plane: ControlPlane, integration_id: str, state: str) -> dict[str, Any]:
    async def there() -> bool:
        return await state_of(plane, integration_id) == state

    await eventually(there)
    answer: dict[str, Any] = await plane.call("GET", path_of(integration_id))
    return answer


async def test_a_sample_is_shown_flattened_and_as_it_came(live: ControlPlane, kafka: str) -> None:
    integration_id = await live.create_integration()
    await live.call("GET", path_of(integration_id), status=404)
    armed = await live.call("POST", path_of(integration_id), status=201)
    assert (armed["generation"], armed["state"], armed["sample"], armed["refused"]) == (1, "armed", None, [])
    await see(kafka, refused(integration_id), sample(integration_id), sample(integration_id, raw=b"{}"))
    await until(live, integration_id, "received")
    text = (await live.client.get(path_of(integration_id))).text
    answer = json.loads(text)
    assert answer["sample"]["parameters"] == [
        {"name": "body.complaint.id", "type": "number", "value": 12345678901234567890},
        {"name": "body.complaint.tags", "type": "array", "value": []},
        {"name": "body.complaint.open", "type": "boolean", "value": True},
        {"name": "body.complaint.a\\.b", "type": "null", "value": None},
        {"name": "headers.x-form-id", "type": "string", "value": "7"},
    ]
    assert RAW.decode() in text
    assert (answer["sample"]["headers"], answer["sample"]["receivedAt"]) == ({"x-form-id": "7"}, AT)
    assert answer["refused"] == [{"status": 401, "reason": "no signature", "receivedAt": AT}]


async def test_ninety_seconds_after_it_was_armed_a_capture_has_timed_out(live: ControlPlane, clock: Clock) -> None:
    integration_id = await live.create_integration()
    armed = await live.call("POST", path_of(integration_id), status=201)
    assert datetime.fromisoformat(armed["expiresAt"]) == clock.now + timedelta(seconds=90)
    clock.now += timedelta(seconds=90)
    assert await state_of(live, integration_id) == "armed"
    clock.now += timedelta(seconds=1.1)
    assert await state_of(live, integration_id) == "timed_out"
    assert (await live.call("DELETE", path_of(integration_id)))["state"] == "timed_out"


async def test_a_late_sample_of_an_older_generation_is_ignored(live: ControlPlane, kafka: str) -> None:
    integration_id = await live.create_integration()
    await live.call("POST", path_of(integration_id), status=201)
    assert (await live.call("DELETE", path_of(integration_id)))["state"] == "cancelled"
    again = await live.call("POST", path_of(integration_id), status=201)
    assert again["generation"] == 2
    await see(kafka, sample(integration_id, 1, b'{"late":1}'), sample(integration_id, 2, b'{"id":2}'))
    answer = await until(live, integration_id, "received")
    assert answer["sample"]["body"] == {"id": 2}


async def test_what_is_refused_is_shown_up_to_a_limit_and_the_capture_stays_armed(
    live: ControlPlane, kafka: str
) -> None:
    integration_id = await live.create_integration()
    await live.call("POST", path_of(integration_id), status=201)
    await see(kafka, *(refused(integration_id, f"{i}") for i in range(25)))

    async def all_there() -> bool:
        return len((await live.call("GET", path_of(integration_id)))["refused"]) == 20

    await eventually(all_there)
    assert await state_of(live, integration_id) == "armed"


async def test_the_ingress_learns_of_a_capture_and_of_its_end(live: ControlPlane, kafka: str) -> None:
    async with definitions_topic(kafka) as topic:
        integration_id = await live.create_integration()
        await live.call("POST", path_of(integration_id), status=201)
        await see(kafka, sample(integration_id))
        armed, ended = await topic.history("capture", integration_id, 2)
    assert isinstance(armed, Capture)
    assert (armed.generation, ended) == (1, None)


async def test_the_ingress_learns_that_a_capture_has_timed_out_and_can_be_asked_again(
    live: ControlPlane, kafka: str, clock: Clock
) -> None:
    async with definitions_topic(kafka) as topic:
        integration_id = await live.create_integration()
        await live.call("POST", path_of(integration_id), status=201)
        clock.now += timedelta(seconds=91.1)
        armed, ended = await topic.history("capture", integration_id, 2)
        assert isinstance(armed, Capture)
        assert (armed.generation, ended) == (1, None)
        assert await state_of(live, integration_id) == "timed_out"
        await live.call("POST", path_of(integration_id), status=201)
        again = (await topic.history("capture", integration_id, 3))[-1]
        assert isinstance(again, Capture)
        assert again.generation == 2


async def test_every_replica_sees_the_same_and_a_restart_misses_nothing(kafka: str, tmp_path: Path) -> None:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path)) as plane:  # without Kafka
        integration_id = await plane.create_integration()
        await plane.call("POST", path_of(integration_id), status=201)
    await see(kafka, sample(integration_id))
    async with serving(settings(tmp_path, kafka)) as one, serving(settings(tmp_path)) as other:
        await until(one, integration_id, "received")
        assert await other.call("GET", path_of(integration_id)) == await one.call("GET", path_of(integration_id))


async def test_a_stream_tells_every_change_and_ends_with_the_capture(live: ControlPlane, kafka: str) -> None:
    integration_id = await live.create_integration()
    await live.call("GET", f"{path_of(integration_id)}/stream", status=404)
    await live.call("POST", path_of(integration_id), status=201)
    await see(kafka, sample(integration_id))
    response = await live.client.get(f"{path_of(integration_id)}/stream")  # returns when it ends
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    last = json.loads(events[-1])
    assert last["state"] == "received"
    assert last["sample"]["body"]["complaint"]["id"] == 12345678901234567890
    short = await live.client.get(f"{path_of(integration_id)}/stream", params={"withSample": "false"})
    assert '"state":"received"' in short.text
    assert '"sample":null' in short.text


async def test_a_filter_is_tried_on_the_captured_sample(live: ControlPlane, kafka: str) -> None:
    integration_id = await live.create_integration()
    where = {"param": "headers.x-form-id", "type": "string", "operator": "EQUAL", "value": "7"}
    body = {"where": where, "integrationId": integration_id}
    refusal = await live.call("POST", "/api/v1/business-events/test", body, status=400)
    assert [fault["field"] for fault in refusal["errors"]] == ["integrationId"]
    await live.call("POST", path_of(integration_id), status=201)
    await see(kafka, sample(integration_id))
    await until(live, integration_id, "received")
    assert await live.call("POST", "/api/v1/business-events/test", body) == {
        "matched": True,
        "conditions": [{"path": "where", **where, "actual": "7", "matched": True, "reason": None}],
    }
