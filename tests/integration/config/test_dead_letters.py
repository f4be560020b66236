"""Dead letters by REST: those of one's own workspace, counted, replayed and discarded, and told to the audit log."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs import topics
from libs.messages import IntegrationRef, Source, ascii_json, encode_metadata
from services.config.dead_letters.letters import Place
from tests.consuming import read_all
from tests.integration.config.control_plane import EMAIL, ControlPlane, serving, settings
from tests.integration.config.test_description import all_operations, cases_of, described, send
from tests.integration.config.test_workspaces import become_a_neighbour
from tests.integration.dead_letters.operators import bury, letter
from tests.integration.pipeline import Request, Sent, new_integration

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)

PATH = "/api/v1/dead-letters"


class Office:
    """A control plane, and the dead letters of its workspace."""

    def __init__(self, plane: ControlPlane, kafka: str, workspace_id: str) -> None:
        self.plane = plane
        self.kafka = kafka
        self.workspace_id = workspace_id
        self.integration = new_integration()

    def request(self, partition: int = 0) -> Sent:
        """A request to the integration of this workspace."""
        made = Request(integration=self.integration)
        source = Source(
            workspace=self.workspace_id, integration=IntegrationRef(id=self.integration, name="Complaints", version=3)
        )
        metadata = encode_metadata(
            event_id=made.event_id,
            received_at=made.received_at,
            source=ascii_json(source),
            headers=made.headers,
            deduplicated=False,
            definitions_offset=0,
        )
        return Sent(key=made.event_id.encode(), value=made.body, headers=metadata, partition=partition)

    async def bury(self, count: int, cause: str = "too-large") -> list[Sent]:
        originals = [self.request(number % 3) for number in range(count)]
        await bury(self.kafka, [letter(one, cause, offset=number) for number, one in enumerate(originals)])
        return originals

    async def listed(self, query: str = "") -> Any:  # noqa: ANN401  JSON
        return await self.plane.call("GET", f"{PATH}?{query}")

    async def resolve(self, verb: str, *, status: int = 200, **body: object) -> Any:  # noqa: ANN401  JSON
        return await self.plane.call("POST", f"{PATH}/{verb}", body, status=status)

    async def times_on_requests(self, originals: list[Sent]) -> list[int]:
        keys = [record.key for record in await read_all(self.kafka, topics.REQUESTS)]
        return [keys.count(one.key) for one in originals]


@pytest_asyncio.fixture
async def office(tmp_path: Path, kafka: str) -> AsyncIterator[Office]:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path, kafka)) as plane:
        me = await plane.call("GET", "/api/v1/me")
        yield Office(plane, kafka, me["workspace"]["id"])


async def test_open_ones_are_listed_in_pages_the_newest_first_with_counts_of_all(office: Office) -> None:
    originals = await office.bury(5)
    await office.bury(1, "unexpected-error")
    page: Any = None
    seen, cursor = [], ""
    for _ in range(3):
        page = await office.listed(f"limit=2{cursor}")
        assert page["causes"] == [{"cause": "too-large", "count": 5}, {"cause": "unexpected-error", "count": 1}]
        seen += page["items"]
        cursor = f"&cursor={page['nextCursor']}"
    assert page["nextCursor"] is None
    order = [(one["at"], Place.of(one["id"])) for one in seen]
    assert order == sorted(order, reverse=True)
    assert len({one["id"] for one in seen}) == 6
    assert {one["eventId"] for one in seen} >= {one.key.decode() for one in originals}
    only = await office.listed("cause=unexpected-error&service=normalizer")
    assert [one["cause"] for one in only["items"]] == ["unexpected-error"]
    assert (await office.listed(f"integrationId={new_integration()}"))["items"] == []
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert (await office.listed(f"since={tomorrow}"))["items"] == []
    assert len((await office.listed(f"until={tomorrow}"))["items"]) == 6


async def test_one_is_shown_without_what_was_sent_unless_that_is_asked_for(office: Office) -> None:
    [original] = await office.bury(1)
    [one] = (await office.listed())["items"]
    shown = await office.plane.call("GET", f"{PATH}/{one['id']}")
    assert {name: shown[name] for name in one} == one
    assert (shown["state"], shown["resolvedAt"], shown["body"]) == ("open", None, None)
    assert shown["origin"] == {"topic": "inlet.requests", "partition": 0, "offset": 0}
    assert shown["kafkaHeaders"]["inlet-cause"] == "too-large"
    with_body = await office.plane.call("GET", f"{PATH}/{one['id']}?withBody=true")
    assert base64.b64decode(with_body["body"]) == original.value
    for nothing in ("0-99999999", "400-1", "nonsense", "1-2-3"):
        await office.plane.call("GET", f"{PATH}/{nothing}", status=404)


async def test_unless_told_otherwise_they_are_counted_and_nothing_changes(office: Office) -> None:
    originals = await office.bury(3)
    for verb in ("replay", "discard"):
        assert await office.resolve(verb) == {"done": 0, "left": [{"cause": "too-large", "count": 3}]}
    assert len((await office.listed())["items"]) == 3
    assert await office.times_on_requests(originals) == [0, 0, 0]
    assert (await office.plane.call("GET", "/api/v1/audit-log?subjectKind=dead-letters"))["items"] == []


async def test_if_there_are_others_than_somebody_has_counted_nothing_happens(office: Office) -> None:
    originals = await office.bury(2)
    await office.bury(1)
    for verb in ("replay", "discard"):
        refused = await office.resolve(verb, dryRun=False, count=2, status=409)
        assert refused["message"] == "There are 3 of them now, not 2. Look at them again."
    assert await office.times_on_requests(originals) == [0, 0]
    assert (await office.resolve("replay", dryRun=False, count=3))["done"] == 3


async def test_each_is_replayed_once_however_often_it_is_asked_for_and_the_audit_log_tells_who(office: Office) -> None:
    originals = await office.bury(3)
    first, second = await asyncio.gather(*(
        office.plane.client.post(f"{PATH}/replay", json={"cause": "too-large", "dryRun": False}) for _ in range(2)
    ))  # fmt: skip
    assert {first.status_code, second.status_code} <= {200, 409}
    assert (await office.resolve("replay", dryRun=False))["left"] == []
    assert await office.times_on_requests(originals) == [1, 1, 1]
    [entry] = (await office.plane.call("GET", "/api/v1/audit-log?subjectKind=dead-letters"))["items"]
    assert (entry["userEmail"], entry["action"], entry["subjectName"]) == (EMAIL, "replayed", "too-large")
    assert entry["changes"] == {"count": {"after": 3}, "cause": {"after": "too-large"}}


async def test_one_is_discarded_by_its_id_and_is_open_no_more(office: Office) -> None:
    originals = await office.bury(2)
    newest, oldest = (await office.listed())["items"]
    assert await office.resolve("discard", id=newest["id"], dryRun=False) == {"done": 1, "left": []}
    assert (await office.plane.call("GET", f"{PATH}/{newest['id']}"))["state"] == "discarded"
    assert [one["id"] for one in (await office.listed())["items"]] == [oldest["id"]]
    await office.resolve("replay", dryRun=False)
    of_key = dict(zip([one.key.decode() for one in originals], await office.times_on_requests(originals), strict=True))
    assert (of_key[newest["eventId"]], of_key[oldest["eventId"]]) == (0, 1)


async def test_a_neighbour_sees_and_moves_nothing_and_nobody_what_is_of_no_workspace(
    office: Office, tmp_path: Path
) -> None:
    originals = await office.bury(2)
    ids = [one["id"] for one in (await office.listed())["items"]]
    await bury(office.kafka, [Sent(key=b"k", value=b"from elsewhere", partition=0)])
    assert len((await office.listed())["items"]) == 2
    await become_a_neighbour(office.plane, tmp_path)
    nothing: dict[str, object] = {"items": [], "causes": [], "nextCursor": None}
    assert await office.listed() == await office.listed(f"integrationId={office.integration}") == nothing
    for verb in ("replay", "discard"):
        assert await office.resolve(verb, dryRun=False) == {"done": 0, "left": []}
        assert await office.resolve(verb, id=ids[0], dryRun=False) == {"done": 0, "left": []}
    foreign = await office.plane.client.get(f"{PATH}/{ids[0]}?withBody=true")
    unknown = await office.plane.client.get(f"{PATH}/0-99999999?withBody=true")
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert (await office.plane.call("GET", "/api/v1/audit-log"))["items"] == []
    await office.plane.log_in(EMAIL)
    assert sorted(one["id"] for one in (await office.listed())["items"]) == sorted(ids)
    assert await office.times_on_requests(originals) == [0, 0]


async def test_without_kafka_the_answer_is_503_and_tells_when_to_try_again(plane: ControlPlane) -> None:
    for method, path in (("GET", PATH), ("GET", f"{PATH}/3-17"), ("POST", f"{PATH}/replay")):
        answer = await plane.client.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path


async def test_every_request_that_the_description_allows_is_answered_as_it_says(office: Office) -> None:
    await office.bury(3)
    operations = [one for one in all_operations(await described(office.plane)) if one.path.startswith(PATH)]
    statuses = set()
    for operation in operations:
        for case in cases_of(operation):
            answer = await send(office.plane, case)
            statuses.add(answer and answer.status_code)
    assert len(operations) == 4
    assert statuses >= {200, 404}
