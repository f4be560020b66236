"""Why events were treated as they were, read from real topics: what was told, the records, and the rules of now."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from libs import topics
from libs.activity import Dead, Dropped, Input, Matched, PipelineReport, Pointer, Repetition
from libs.deduplication import Hasher
from libs.identifiers import new_event_id, part_id, trigger_id
from libs.messages import (
    BusinessEventRef,
    Event,
    IntegrationRef,
    Position,
    Source,
    Trigger,
    ascii_json,
    encode_metadata,
)
from libs.parameters import flatten
from services.config.entries import Place
from tests.eventually import eventually
from tests.integration.config.control_plane import ControlPlane, above_the_store, serving, settings
from tests.integration.config.telling import counted, rejection, tell
from tests.integration.config.test_workspaces import become_a_neighbour

pytestmark = above_the_store


HIGH: dict[str, object] = {"all": [{"param": "body.priority", "type": "string", "operator": "EQUAL", "value": "high"}]}
RULES = {"parameters": ["body.id", "headers.x-form-id"]}
HEADERS = {"x-form-id": "7"}
PARTITION = 5


class Pipeline:
    """A control plane, and the services around it by hand."""

    def __init__(self, plane: ControlPlane, kafka: str, workspace_id: str) -> None:
        self.plane = plane
        self.kafka = kafka
        self.workspace_id = workspace_id

    def event(self, integration_id: str, event_id: str | None = None, **body: object) -> Event:
        return Event(
            id=event_id or new_event_id(),
            workspace=self.workspace_id,
            integration=IntegrationRef(id=integration_id, name="Complaints", version=3),
            received_at=datetime.now(UTC).isoformat(),
            headers=HEADERS,
            body=body,
            parameters=flatten(HEADERS, body),
        )

    async def write(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> Place:
        limit = 2 * topics.RECORD_LIMIT_BYTES
        async with AIOKafkaProducer(bootstrap_servers=self.kafka, max_request_size=limit) as producer:
            at = await producer.send_and_wait(topic, value, partition=PARTITION, headers=list(headers))
        return Place(topic, at.partition, at.offset)

    async def publish(self, event: Event) -> Place:
        return await self.write(topics.EVENTS, msgspec.json.encode(event))

    async def request(self, event: Event) -> Place:
        """The request that the event was."""
        source = Source(workspace=event.workspace, integration=event.integration)
        metadata = encode_metadata(
            event_id=event.id,
            received_at=event.received_at,
            source=ascii_json(source),
            headers=event.headers,
            deduplicated=True,
            definitions_offset=0,
        )
        return await self.write(topics.REQUESTS, msgspec.json.encode(event.body), metadata)

    async def trigger(self, event: Event, business_event_id: str) -> None:
        ref = BusinessEventRef(id=business_event_id, name="Urgent", version=1)
        raw = msgspec.Raw(msgspec.json.encode(event))
        trigger = Trigger(id=trigger_id(event.id, ref.id), business_event=ref, event=raw)
        await self.write(topics.TRIGGERS, msgspec.json.encode(trigger))

    async def tell(self, integration_id: str, topic: str, *pointers: Pointer) -> None:
        await tell(self.kafka, [PipelineReport(topic=topic, partition=PARTITION, ended={integration_id: pointers})])

    async def explain(self, event_id: str, query: str = "", *, status: int = 200) -> Any:  # noqa: ANN401
        return await self.plane.call("GET", f"/api/v1/events/{event_id}/explain{query}", status=status)

    async def until_told(self, integration_id: str, event_id: str) -> None:
        async def is_told() -> bool:
            activity = await self.plane.call("GET", f"/api/v1/integrations/{integration_id}/activity")
            return event_id in [one["id"] for one in activity["items"]]

        await eventually(is_told)

    async def business_event(self, integration_id: str, name: str, where: dict[str, object]) -> str:
        body = {"name": name, "integrationId": integration_id, "where": where}
        return str((await self.plane.call("POST", "/api/v1/business-events", body, status=201))["id"])


@pytest_asyncio.fixture
async def pipeline(tmp_path: Path, kafka: str) -> AsyncIterator[Pipeline]:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path, kafka)) as plane:
        me = await plane.call("GET", "/api/v1/me")
        yield Pipeline(plane, kafka, me["workspace"]["id"])


async def test_of_an_event_that_matched_everything_is_known(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration(deduplication=RULES)
    high = await pipeline.business_event(integration_id, "High", HIGH)
    low = await pipeline.business_event(integration_id, "None", {"none": [{}]})
    event = pipeline.event(integration_id, id=12345678901234567890, priority="high")
    place = await pipeline.publish(event)
    pointer = Matched(event.id, place.offset, event.received_at, 1, (high,))
    await pipeline.tell(integration_id, topics.EVENTS, pointer)
    await pipeline.until_told(integration_id, event.id)
    found = await pipeline.explain(event.id)
    assert (found["id"], found["integrationId"], found["complete"]) == (event.id, integration_id, True)
    assert found["recorded"]["outcome"] == "matched"
    assert found["recorded"]["matched"] == [{"id": high, "name": "High"}]
    assert found["event"] == {
        "requestId": None,
        "integration": {"id": integration_id, "name": "Complaints", "version": 3},
        "receivedAt": found["event"]["receivedAt"],
        "headers": HEADERS,
        "body": event.body,
        "parameters": event.parameters,
        "place": {"topic": topics.EVENTS, "partition": PARTITION, "offset": place.offset},
    }
    assert datetime.fromisoformat(found["event"]["receivedAt"]) == datetime.fromisoformat(event.received_at)
    assert found["deduplication"] == {
        "rules": {**RULES, "onRedisDown": "reject"},
        "inputs": [
            {"parameter": "body.id", "value": 12345678901234567890},
            {"parameter": "headers.x-form-id", "value": "7"},
        ],
        "hash": Hasher(integration_id, RULES["parameters"])(event.headers, event.body),
        "duplicateOf": None,
    }
    newest, oldest = found["businessEvents"]
    assert (newest["id"], newest["matched"]) == (low, False)
    assert (oldest["name"], oldest["state"], oldest["version"], oldest["matched"]) == ("High", "active", 1, True)
    [condition] = oldest["conditions"]
    assert (condition["path"], condition["actual"], condition["matched"]) == ("where.all[0]", "high", True)
    assert await pipeline.explain(event.id.upper(), f"?integrationId={integration_id}") == found


async def test_of_an_event_that_did_not_match_each_condition_is_shown_with_the_actual_value(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    await pipeline.business_event(integration_id, "High", HIGH)
    event = pipeline.event(integration_id, priority="low")
    place = await pipeline.publish(event)
    await pipeline.tell(integration_id, topics.EVENTS, Matched(event.id, place.offset, event.received_at, 0, ()))
    await pipeline.until_told(integration_id, event.id)
    found = await pipeline.explain(event.id)
    assert (found["recorded"]["outcome"], found["recorded"]["matched"]) == ("no-match", [])
    [business_event] = found["businessEvents"]
    [condition] = business_event["conditions"]
    assert business_event["matched"] is False
    assert (condition["actual"], condition["reason"]) == ("low", "different value")
    assert found["deduplication"] == {"rules": None, "inputs": [], "hash": None, "duplicateOf": None}


async def test_a_duplicate_is_explained_by_what_it_was_told_by_and_by_what_it_repeats(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration(deduplication=RULES)
    await pipeline.business_event(integration_id, "High", HIGH)
    original = pipeline.event(integration_id, id=7)
    owner = await pipeline.request(original)
    now = datetime.now(UTC)
    duplicate = Repetition(
        id=new_event_id(),
        at=now.isoformat(),
        inputs=(Input(parameter="body.id", value=7), Input(parameter="body.part")),
        owner=Position(owner.partition, owner.offset),
    )
    await tell(pipeline.kafka, [counted(integration_id, 1, 1, at=now, recent=(duplicate,))])
    await pipeline.until_told(integration_id, duplicate.id)
    found = await pipeline.explain(duplicate.id)
    assert found["recorded"]["outcome"] == "duplicate"
    assert found["deduplication"] == {
        "rules": {**RULES, "onRedisDown": "reject"},
        "inputs": [{"parameter": "body.id", "value": 7}, {"parameter": "body.part"}],
        "hash": None,
        "duplicateOf": original.id,
    }
    assert (found["event"], found["businessEvents"]) == (None, [])


async def test_a_duplicate_that_the_normalizer_dropped_is_shown_as_its_request_was(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration(deduplication=RULES)
    await pipeline.business_event(integration_id, "High", HIGH)
    event = pipeline.event(integration_id, id=7)
    place = await pipeline.request(event)
    await pipeline.tell(integration_id, topics.REQUESTS, Dropped(event.id, place.offset, event.received_at))
    await pipeline.until_told(integration_id, event.id)
    found = await pipeline.explain(event.id)
    assert found["recorded"]["outcome"] == "duplicate"
    assert (found["event"]["body"], found["event"]["place"]["topic"]) == ({"id": 7}, topics.REQUESTS)
    assert [one["value"] for one in found["deduplication"]["inputs"]] == [7, "7"]
    assert found["businessEvents"] == []


async def test_a_rejection_is_explained_by_its_reason(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    await pipeline.business_event(integration_id, "High", HIGH)
    refused = rejection(datetime.now(UTC), "The token has expired")
    await tell(pipeline.kafka, [counted(integration_id, 0, 0, 1, at=datetime.now(UTC), recent=(refused,))])
    await pipeline.until_told(integration_id, refused.id)
    found = await pipeline.explain(refused.id)
    assert (found["recorded"]["outcome"], found["recorded"]["status"]) == ("rejected", 401)
    assert found["recorded"]["reason"] == "The token has expired"
    assert (found["event"], found["deduplication"], found["businessEvents"]) == (None, None, [])


async def test_a_dead_letter_is_explained_by_its_cause_and_what_it_was(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    await pipeline.business_event(integration_id, "High", HIGH)
    event = pipeline.event(integration_id, priority="high")
    place = await pipeline.publish(event)
    await pipeline.tell(integration_id, topics.EVENTS, Dead(event.id, place.offset, event.received_at, "too-costly"))
    await pipeline.until_told(integration_id, event.id)
    found = await pipeline.explain(event.id)
    assert (found["recorded"]["outcome"], found["recorded"]["cause"]) == ("dead-letter", "too-costly")
    assert found["event"]["body"] == event.body
    assert [one["matched"] for one in found["businessEvents"]] == [True]


async def test_an_event_that_is_forgotten_is_found_by_the_time_in_its_id(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    high = await pipeline.business_event(integration_id, "High", HIGH)
    for _ in range(30):
        await pipeline.publish(pipeline.event(integration_id, priority="low"))
    triggered, unmatched = pipeline.event(integration_id, priority="high"), pipeline.event(integration_id)
    await pipeline.publish(pipeline.event(integration_id, about=triggered.id))
    place = await pipeline.publish(triggered)
    await pipeline.publish(unmatched)
    await pipeline.trigger(triggered, high)
    await pipeline.trigger(pipeline.event(integration_id, about=triggered.id), "another")
    found = await pipeline.explain(triggered.id)
    assert (found["recorded"]["outcome"], found["recorded"]["matches"]) == ("matched", 1)
    assert found["recorded"]["matched"] == [{"id": high, "name": "High"}]
    assert found["event"]["place"]["offset"] == place.offset
    assert [one["matched"] for one in found["businessEvents"]] == [True]
    found = await pipeline.explain(unmatched.id)
    assert found["recorded"] is None
    assert [one["conditions"][0]["reason"] for one in found["businessEvents"]] == ["absent"]


async def test_what_there_never_was_or_is_not_kept_or_is_of_another_integration_is_404(pipeline: Pipeline) -> None:
    integration_id, other = [await pipeline.plane.create_integration() for _ in range(2)]
    event = pipeline.event(integration_id)
    await pipeline.publish(event)
    long_ago = datetime.now(UTC) - timedelta(days=30)
    ids = [new_event_id(), new_event_id(int(long_ago.timestamp() * 1000)), new_event_id(2**48 - 1)]
    for event_id in ids:
        await pipeline.explain(event_id, status=404)
    await pipeline.explain(event.id, f"?integrationId={other}", status=404)
    await pipeline.explain(event.id, f"?integrationId={event.id}", status=404)
    await pipeline.explain("nonsense", status=404)
    await pipeline.explain(event.id)


async def test_a_part_of_a_request_is_found_with_its_integration_only(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    event = pipeline.event(integration_id, part_id(new_event_id(), "0.0"))
    place = await pipeline.publish(event)
    await pipeline.tell(integration_id, topics.EVENTS, Matched(event.id, place.offset, event.received_at, 0, ()))
    await pipeline.until_told(integration_id, event.id)
    refused = await pipeline.explain(event.id, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["integrationId"]
    assert (await pipeline.explain(event.id, f"?integrationId={integration_id}"))["id"] == event.id
    unknown = part_id(new_event_id(), "0.0")
    await pipeline.explain(unknown, f"?integrationId={integration_id}", status=404)


async def test_a_request_that_was_split_is_told_by_the_ids_of_its_events_and_they_tell_of_it(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    integration_id, other = [await pipeline.plane.create_integration() for _ in range(2)]
    request_id = new_event_id()
    parts = [
        msgspec.structs.replace(pipeline.event(integration_id, part_id(request_id, place)), request_id=request_id)
        for place in ("0.0", "0.1")
    ]
    await pipeline.publish(pipeline.event(integration_id, about=request_id))
    for event in parts:
        place = await pipeline.publish(event)
        pointer = Matched(event.id, place.offset, event.received_at, 0, (), request_id)
        await pipeline.tell(integration_id, topics.EVENTS, pointer)
        await pipeline.until_told(integration_id, event.id)
    answer = await pipeline.explain(request_id, status=404)
    assert [fault["message"] for fault in answer["errors"]] == [event.id for event in parts]
    assert "was split" in answer["message"]
    assert "split" not in (await pipeline.explain(request_id, f"?integrationId={other}", status=404))["message"]
    activity = await pipeline.plane.call("GET", f"/api/v1/integrations/{integration_id}/activity")
    assert {one["requestId"] for one in activity["items"]} == {request_id}
    page = await pipeline.plane.client.get(f"/incoming/{integration_id}/activity/{request_id}")
    assert all(f"/incoming/{integration_id}/activity/{event.id}" in page.text for event in parts)
    await become_a_neighbour(pipeline.plane, tmp_path)
    assert (await pipeline.explain(request_id, status=404))["errors"] == []


async def test_events_of_another_workspace_look_like_those_that_never_were(pipeline: Pipeline, tmp_path: Path) -> None:
    integration_id = await pipeline.plane.create_integration()
    told, forgotten = pipeline.event(integration_id), pipeline.event(integration_id)
    place = await pipeline.publish(told)
    await pipeline.publish(forgotten)
    await pipeline.tell(integration_id, topics.EVENTS, Matched(told.id, place.offset, told.received_at, 0, ()))
    await pipeline.until_told(integration_id, told.id)
    await become_a_neighbour(pipeline.plane, tmp_path)
    mine = await pipeline.plane.create_integration()
    never = await pipeline.explain(new_event_id(), status=404)
    for event in (told, forgotten):
        assert await pipeline.explain(event.id, status=404) == never
        assert await pipeline.explain(event.id, f"?integrationId={mine}", status=404) == never
        assert (await pipeline.explain(event.id, f"?integrationId={integration_id}", status=404))["status"] == 404


async def test_a_request_of_another_workspace_is_not_told_as_what_a_duplicate_repeats(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    foreign = msgspec.structs.replace(pipeline.event(integration_id), workspace="another")
    owner = await pipeline.request(foreign)
    now = datetime.now(UTC)
    duplicate = Repetition(
        id=new_event_id(), at=now.isoformat(), inputs=(), owner=Position(owner.partition, owner.offset)
    )
    await tell(pipeline.kafka, [counted(integration_id, at=now, recent=(duplicate,))])
    await pipeline.until_told(integration_id, duplicate.id)
    assert (await pipeline.explain(duplicate.id))["deduplication"]["duplicateOf"] is None


async def test_a_request_with_other_values_or_of_another_integration_is_not_told_as_what_a_duplicate_repeats(
    pipeline: Pipeline,
) -> None:
    integration_id, other = [await pipeline.plane.create_integration(deduplication=RULES) for _ in range(2)]
    now = datetime.now(UTC)
    for event in (pipeline.event(integration_id, id=8), pipeline.event(integration_id), pipeline.event(other, id=7)):
        owner = await pipeline.request(event)
        duplicate = Repetition(
            id=new_event_id(),
            at=now.isoformat(),
            inputs=(Input(parameter="body.id", value=7),),
            owner=Position(owner.partition, owner.offset),
        )
        await tell(pipeline.kafka, [counted(integration_id, at=now, recent=(duplicate,))])
        await pipeline.until_told(integration_id, duplicate.id)
        assert (await pipeline.explain(duplicate.id))["deduplication"]["duplicateOf"] is None


async def test_where_another_record_is_in_the_place_or_none_what_was_told_is_shown(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    event, other = pipeline.event(integration_id), pipeline.event(integration_id)
    place = await pipeline.publish(other)
    for offset, event_id in [(place.offset, event.id), (2**40, new_event_id())]:
        await pipeline.tell(integration_id, topics.EVENTS, Matched(event_id, offset, event.received_at, 0, ()))
        await pipeline.until_told(integration_id, event_id)
        found = await pipeline.explain(event_id)
        assert (found["recorded"]["outcome"], found["event"], found["businessEvents"]) == ("no-match", None, [])


async def test_an_event_of_almost_the_limit_is_explained_in_an_answer_that_shows_it_once(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    text = "x" * 9_000_000
    contains: dict[str, object] = {"param": "body.text", "type": "string", "operator": "CONTAIN", "value": "y"}
    for number in range(10):
        await pipeline.business_event(integration_id, str(number), contains)
    event = pipeline.event(integration_id, text=text)
    place = await pipeline.publish(event)
    await pipeline.tell(integration_id, topics.EVENTS, Matched(event.id, place.offset, event.received_at, 0, ()))
    await pipeline.until_told(integration_id, event.id)
    found = await pipeline.explain(event.id)
    assert found["event"]["body"] == {"text": text}
    assert {len(one["conditions"][0]["actual"]) for one in found["businessEvents"]} == {1001}


async def test_many_are_explained_at_once(pipeline: Pipeline) -> None:
    integration_id = await pipeline.plane.create_integration()
    events = [pipeline.event(integration_id) for _ in range(12)]
    for event in events:
        await pipeline.publish(event)
    found = await asyncio.gather(*(pipeline.explain(event.id) for event in events))
    assert [one["id"] for one in found] == [event.id for event in events]


async def test_without_kafka_explaining_is_503_and_says_that_it_may_help_to_try_again(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as plane:
        await plane.call("GET", f"/api/v1/events/{new_event_id()}/explain", status=503)
        response = await plane.client.get(f"/api/v1/events/{new_event_id()}/explain")
        assert "cannot be read at the moment" in response.json()["message"]
        assert response.headers["retry-after"] == "1"
