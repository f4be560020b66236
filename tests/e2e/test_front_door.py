"""A request in, a trigger out: through the front door, as processes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from libs import topics
from libs.identifiers import trigger_id
from tests.consuming import read_all
from tests.e2e.author import Author, Endpoint
from tests.e2e.workflow import read_events, read_triggers, settle
from tests.eventually import eventually

COMPLAINT = {
    "complaint": {
        "id": "cmp-20240610-001",
        "customer": {"id": "c123456789", "firstName": "Jane", "lastName": "Smith", "email": "jane.smith@example.com"},
        "dateReceived": "2024-06-10T09:15:30Z",
        "priority": "high",
        "attachments": [{"fileName": "photo_of_defect.jpg", "fileUrl": "https://example.com/photo_of_defect.jpg"}],
    },
    "source": "customer_support_portal",
}
HIGH_PRIORITY: dict[str, object] = {
    "all": [{"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"}]
}


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


async def in_effect(sender: httpx.AsyncClient, url: str, status: int = 400) -> None:
    """Return once the ingress answers `status` to a request that is no JSON: 400 published, 404 not."""

    async def answers() -> bool:
        answer = await sender.post(url, content=b"?", headers={"Content-Type": "application/json"})
        return answer.status_code == status

    await eventually(answers, said=f"the endpoint never answered {status}")


@pytest_asyncio.fixture
async def complaints(author: Author, sender: httpx.AsyncClient, unique: str) -> Endpoint:
    endpoint = await author.make_endpoint(unique, where=HIGH_PRIORITY, deduplicate_on=["body.complaint.id"])
    await in_effect(sender, endpoint.url)
    return endpoint


async def test_the_complaint_of_the_documentation_is_matched_and_published_once(
    stack: Stack, sender: httpx.AsyncClient, complaints: Endpoint, unique: str
) -> None:
    before = datetime.now(UTC)
    answer = await sender.post(complaints.url, json=COMPLAINT, headers={"X-Form-Id": "7", "X-Api-Key": unique})
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")
    event_id = answer.headers["x-request-id"]
    assert UUID(event_id).version == 7

    await settle(stack.kafka.address)
    [event] = await read_events(stack.kafka.address, complaints.integration.id)
    assert event.id == event_id
    assert (event.integration.name, event.integration.version) == (unique, 1)
    assert event.body == COMPLAINT
    assert event.headers["x-form-id"] == "7"
    assert event.parameters["body.complaint.attachments.0.fileName"] == "photo_of_defect.jpg"
    assert event.parameters["headers.x-form-id"] == "7"
    assert before <= datetime.fromisoformat(event.received_at) <= datetime.now(UTC)

    [trigger] = await read_triggers(stack.kafka.address, complaints.integration.id)
    assert trigger.id == trigger_id(event_id, complaints.business_event.id)
    assert (trigger.business_event.id, trigger.business_event.name) == (complaints.business_event.id, "b")
    assert trigger.event == event
    [record] = [one for one in await read_all(stack.kafka.address, topics.TRIGGERS) if trigger.id.encode() in one.value]
    assert {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"} <= dict(record.headers).keys()
    assert dict(record.headers)["ce_id"] == trigger.id.encode()


async def test_credentials_stay_at_the_ingress(
    stack: Stack, state: Path, sender: httpx.AsyncClient, complaints: Endpoint, unique: str
) -> None:
    secret = f"secret-{unique}"
    headers = {"Authorization": f"Bearer {secret}", "Cookie": f"access_token={secret}", "X-Hub-Signature-256": secret}
    assert (await sender.post(complaints.url, json=COMPLAINT, headers=headers)).status_code == 200
    await settle(stack.kafka.address)
    for topic in (topics.REQUESTS, topics.EVENTS, topics.TRIGGERS):
        for record in await read_all(stack.kafka.address, topic):
            assert secret not in f"{record.value!r}{record.headers}"
    logs = [log.read_text(errors="replace") for log in (state / "logs").glob("*.log")]
    assert len(logs) >= len(stack.services)
    assert not any(secret in log for log in logs)


async def test_a_repeated_request_answers_204_and_publishes_nothing(
    stack: Stack, sender: httpx.AsyncClient, complaints: Endpoint
) -> None:
    assert (await sender.post(complaints.url, json=COMPLAINT)).status_code == 200
    again = await sender.post(complaints.url, json={**COMPLAINT, "source": "elsewhere"})
    assert (again.status_code, again.content) == (204, b"")
    await settle(stack.kafka.address)
    assert len(await read_events(stack.kafka.address, complaints.integration.id)) == 1
    assert len(await read_triggers(stack.kafka.address, complaints.integration.id)) == 1


async def test_two_equal_requests_at_once_get_one_200_and_one_204(
    stack: Stack, sender: httpx.AsyncClient, complaints: Endpoint
) -> None:
    for attempt in range(20):
        body = {"complaint": {"id": f"cmp-{attempt}", "priority": "high"}}
        answers = await asyncio.gather(*(sender.post(complaints.url, json=body) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 204]
    await settle(stack.kafka.address)
    assert len(await read_triggers(stack.kafka.address, complaints.integration.id)) == 20


async def test_an_event_that_no_business_event_matches_triggers_nothing(
    stack: Stack, sender: httpx.AsyncClient, complaints: Endpoint
) -> None:
    body = {"complaint": {"id": "cmp-2", "priority": "low"}}
    assert (await sender.post(complaints.url, json=body)).status_code == 200
    await settle(stack.kafka.address)
    assert len(await read_events(stack.kafka.address, complaints.integration.id)) == 1
    assert await read_triggers(stack.kafka.address, complaints.integration.id) == []


async def test_an_integration_that_is_not_published_is_not_there(
    author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    draft = await author.make_integration(unique)
    unknown = draft.url.replace(draft.id, "00000000-0000-7000-8000-000000000000")
    not_found = "The requested resource could not be found but may be available again in the future."
    for url in (draft.url, unknown):
        answer = await sender.post(url, json={})
        assert (answer.status_code, answer.text) == (404, not_found)
    await author.post(f"/integrations/{draft.id}/publish")
    await in_effect(sender, draft.url)
    await author.post(f"/integrations/{draft.id}/unpublish")
    await in_effect(sender, draft.url, status=404)


async def test_a_paused_business_event_triggers_nothing_until_it_is_active_again(
    stack: Stack, author: Author, sender: httpx.AsyncClient, complaints: Endpoint, unique: str
) -> None:
    path = f"/business-events/{complaints.business_event.id}"
    probe = await author.make_endpoint(f"{unique}-probe")
    await in_effect(sender, probe.url)

    async def send_after(change: str, number: int) -> None:
        """The view applies changes in order: once the probe's change shows, so does the one before it."""
        await author.post(f"{path}/{change}")
        later = await author.make_business_event(probe.integration, {})

        async def shows() -> bool:
            await sender.post(probe.url, json={})
            await settle(stack.kafka.address)
            triggers = await read_triggers(stack.kafka.address, probe.integration.id)
            return any(trigger.business_event.id == later.id for trigger in triggers)

        await eventually(shows)
        body = {"complaint": {"id": f"cmp-{number}", "priority": "high"}}
        assert (await sender.post(complaints.url, json=body)).status_code == 200
        await settle(stack.kafka.address)  # an event on its way is matched with what is defined when it arrives

    await send_after("pause", 1)
    await send_after("activate", 2)
    triggers = await read_triggers(stack.kafka.address, complaints.integration.id)
    assert [trigger.event.body for trigger in triggers] == [{"complaint": {"id": "cmp-2", "priority": "high"}}]


@pytest.mark.parametrize("service", ["ingress", "config", "normalizer", "trigger"])
async def test_every_service_tells_its_health_and_its_metrics(
    stack: Stack, sender: httpx.AsyncClient, service: str
) -> None:
    assert (await sender.get(f"{stack.url(service)}/healthz")).status_code == 200
    assert (await sender.get(f"{stack.url(service)}/readyz")).status_code == 200
    metrics = (await sender.get(f"{stack.url(service)}/metrics")).text
    own = {
        "ingress": "inlet_ingress_",
        "config": "inlet_config_",
        "normalizer": "inlet_normalizer_",
        "trigger": "inlet_trigger_",
    }
    assert {name for name, prefix in own.items() if prefix in metrics} == {service}
    assert "process_resident_memory_bytes" in metrics
