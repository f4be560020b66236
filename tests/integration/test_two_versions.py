"""Definitions of two releases on the topic: services read those of the first release and those of a later one alike."""

import json
from pathlib import Path
from uuid import uuid4

import msgspec

from deploy.local.process import Process
from libs import topics
from libs.messages import BusinessEvent, Deduplication, Definition, Integration, definition_key
from tests.e2e.workflow import read_events, read_triggers, settle
from tests.integration.ingress.serving import Ingress, an_integration, serving
from tests.integration.pipeline import Sent, running, send, service
from tests.unit.compatibility.growing import grown
from tests.unit.compatibility.recorded import recorded

OLDER = "01a20c91-b4de-72bf-b106-c0dd032b4c6c"
OLDER_RULE = "01a20c91-b4f3-7ea6-8de4-3ffa6a7eb834"
STRANGE = [
    Sent(key=b"route/1", value=b'{"kind":"route","id":"1","to":["somewhere"]}'),
    Sent(key=b"route/2", value=b'{"kind":"route","id":"2"}'),
]


def older() -> list[Sent]:
    """As the first release wrote them: two integrations, and two Business Events of the first, one of them paused."""
    first, plain, rule, paused, *_ = recorded(topics.DEFINITIONS)
    return [Sent(key=one.key or b"", value=one.value) for one in (first, plain, rule, paused)]


def newer(definition: Definition) -> Sent:
    return Sent(key=definition_key(definition), value=grown(definition, "later", {"deep": [1]}))


def a_rule(integration: Integration, value: str) -> BusinessEvent:
    where: dict[str, object] = {
        "param": "body.complaint.priority",
        "type": "string",
        "operator": "EQUAL",
        "value": value,
    }
    return BusinessEvent(
        id=str(uuid4()),
        workspace="w",
        name="Newer",
        version=1,
        integration_id=integration.id,
        state="active",
        where=where,
    )


async def statuses(ingress: Ingress, integration_id: str, number: int) -> list[int]:
    """What a request and its repetition are answered."""
    body = json.dumps({"complaint": {"id": f"cmp-{number}", "priority": "high", "amount": 101}}).encode()
    return [(await ingress.send(integration_id, body, x_form_id="7")).status_code for _ in range(2)]


async def triggered(kafka: str, integration_id: str) -> list[str]:
    """The Business Events of the triggers of an integration."""
    return [trigger.business_event.id for trigger in await read_triggers(kafka, integration_id)]


async def test_ingress_normalizer_and_trigger_work_with_older_and_newer_definitions(
    broker: Process, redis_url: str, tmp_path: Path
) -> None:
    kafka = broker.address
    integration = an_integration(deduplication=Deduplication(parameters=("body.complaint.id",)))
    rule = a_rule(integration, "high")
    unknown = an_integration()
    locked = msgspec.json.encode(unknown).replace(b'"kind":"none"', b'"kind":"retina"')
    refused = Sent(key=definition_key(unknown), value=locked)
    await send(kafka, topics.DEFINITIONS, [*older(), newer(integration), newer(rule), *STRANGE, refused])

    environment = {"INLET_KAFKA": kafka, "INLET_REDIS": redis_url}
    trigger = service("trigger", tmp_path, environment)
    async with (
        serving(kafka, redis_url, tmp_path) as ingress,
        running(service("normalizer", tmp_path, environment), trigger),
    ):
        assert await statuses(ingress, OLDER, 1) == [200, 204]
        assert await statuses(ingress, integration.id, 1) == [200, 204]
        assert await statuses(ingress, unknown.id, 1) == [503, 503]
        await settle(kafka)  # an event is matched with at least what was defined before it

        # The topic goes on changing: what was older is written anew, what was newer comes from an older relay.
        again = a_rule(integration, "high")
        changed = Sent(key=definition_key(again), value=msgspec.json.encode(again))
        opened = Sent(key=definition_key(unknown), value=msgspec.json.encode(unknown))
        await send(kafka, topics.DEFINITIONS, [*STRANGE, Sent(key=b"route/1", value=None), changed, opened])
        await ingress.until_answered(unknown.id, 405)
        assert await statuses(ingress, integration.id, 2) == [200, 204]
        assert await statuses(ingress, OLDER, 2) == [200, 204]
        assert await statuses(ingress, unknown.id, 2) == [200, 200]
        await settle(kafka)

        assert await triggered(kafka, OLDER) == [OLDER_RULE] * 2
        assert sorted(await triggered(kafka, integration.id)) == sorted([rule.id] * 2 + [again.id])
        assert [event.integration.version for event in await read_events(kafka, OLDER)] == [3, 3]
        assert len(await read_events(kafka, unknown.id)) == 2

        for process in (ingress.process, trigger):
            assert (await ingress.http.get(f"http://{process.address}/readyz")).is_success
        for log in (ingress.log, trigger.log):
            assert log.read_text().count("definitions of the kind 'route' are of a later version") == 1
        assert ingress.log.read_text().count(f"integration {unknown.id} cannot be used by this ingress") == 1
