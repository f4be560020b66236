"""The activity of an integration, as its authors get to see it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs import topics
from libs.activity import Input, PipelineReport, Repetition, Report
from libs.messages import Position
from services.config.accounts import Accounts
from services.config.activity import Activity, Summary
from services.config.entries import gather
from services.config.identity import Identity
from services.config.passwords import Passwords
from services.config.store.activity import ActivityStore
from services.config.store.database import Database
from services.config.store.scope import Workspaces
from tests.eventually import eventually
from tests.integration.config.control_plane import ControlPlane, serving, settings
from tests.integration.config.telling import AT, counted, event_id_of, matched, rejection, tell
from tests.integration.config.test_workspaces import become_a_neighbour

NOW = AT + timedelta(minutes=2)


class Told:
    """A control plane at `NOW`, and a way to tell it of requests without Kafka."""

    def __init__(self, plane: ControlPlane, database: Database) -> None:
        self.plane = plane
        self.activity = Activity(Workspaces(database, lambda: NOW))
        self._database = database
        self._store = ActivityStore(database)
        self._offset = 0

    async def tell(self, *reports: Report) -> None:
        began = {0: self._offset} if self._offset else {}
        self._offset += 1
        await self._store.add(gather(reports), began, {0: self._offset})

    async def read(self, integration_id: str, query: str = "") -> dict[str, Any]:
        answer: dict[str, Any] = await self.plane.call("GET", f"/api/v1/integrations/{integration_id}/activity{query}")
        return answer

    async def identity(self) -> Identity:
        token = self.plane.client.headers["authorization"].removeprefix("Bearer ")
        lifetime = timedelta(hours=12)
        accounts = Accounts(self._database, Passwords(), session_lifetime=lifetime, now=lambda: NOW)
        return await accounts.identify(token)


@pytest_asyncio.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    database = Database(settings(tmp_path).database)
    async with serving(settings(tmp_path), lambda: NOW) as plane:
        yield Told(plane, database)
    await database.close()


async def test_the_latest_requests_are_shown_with_what_became_of_them(told: Told) -> None:
    integration_id = await told.plane.create_integration()
    high = await told.plane.create_business_event(integration_id, "High")
    gone = "01a20c53-0000-7000-8000-00000000000f"
    repeated = Repetition(
        id=event_id_of(AT + timedelta(seconds=2)),
        at=(AT + timedelta(seconds=2)).isoformat(),
        inputs=(Input(parameter="body.id", value=7), Input(parameter="headers.x")),
        owner=Position(3, 7),
    )
    await told.tell(
        matched(integration_id, 1, high, gone),
        matched(integration_id, 1, at=AT + timedelta(seconds=1)),
        counted(integration_id, 2, 1, 1, recent=(repeated, rejection(AT + timedelta(seconds=3)))),
    )
    answer = await told.read(integration_id)
    rejected, duplicate, unmatched, triggered = answer["items"]
    assert answer["nextCursor"] is None
    assert (rejected["outcome"], rejected["status"], rejected["reason"]) == ("rejected", 401, "no token")
    assert rejected["place"] is None
    assert (duplicate["id"], duplicate["outcome"]) == (repeated.id, "duplicate")
    assert duplicate["inputs"] == [{"parameter": "body.id", "value": 7}, {"parameter": "headers.x"}]
    assert (unmatched["outcome"], unmatched["matched"], unmatched["matches"]) == ("no-match", [], 0)
    assert (triggered["outcome"], triggered["matches"]) == ("matched", 2)
    assert triggered["matched"] == [{"id": high, "name": "High"}, {"id": gone, "name": None}]
    assert triggered["place"] == {"topic": topics.EVENTS, "partition": 0, "offset": 0}
    assert datetime.fromisoformat(triggered["at"]) == AT


async def test_a_request_that_was_told_by_two_is_shown_once(told: Told) -> None:
    integration_id = await told.plane.create_integration()
    portion = matched(integration_id, 3)
    await told.tell(portion)
    await told.tell(portion, matched(integration_id, 1, at=AT + timedelta(minutes=1)))
    assert len((await told.read(integration_id))["items"]) == 4


async def test_the_list_is_read_in_pages_and_ends_with_what_is_forgotten(told: Told) -> None:
    integration_id = await told.plane.create_integration()
    await told.tell(matched(integration_id, 70))
    await told.tell(matched(integration_id, 180, at=AT + timedelta(minutes=2)))
    seen: list[str] = []
    query = "?limit=60"
    while query:
        page = await told.read(integration_id, query)
        assert len(page["items"]) <= 60
        seen += [one["at"] for one in page["items"]]
        query = f"?limit=60&cursor={page['nextCursor']}" if page["nextCursor"] else ""
    assert len(seen) == 200
    assert seen == sorted(set(seen), reverse=True)
    assert (await told.read(integration_id, f"?cursor={event_id_of(AT)}"))["items"] == []


async def test_the_series_has_every_five_minutes_also_those_without_requests(told: Told) -> None:
    integration_id = await told.plane.create_integration()
    assert {tuple(list(one.values())[1:]) for one in (await told.read(integration_id))["series"]} == {(0, 0, 0)}
    await told.tell(
        counted(integration_id, 3, 2, 1),
        counted(integration_id, 10, at=AT - timedelta(hours=23, minutes=50)),
        counted(integration_id, 100, at=AT - timedelta(hours=25)),
    )
    series = (await told.read(integration_id))["series"]
    times = [datetime.fromisoformat(one["at"]) for one in series]
    last = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
    assert times == [last - timedelta(minutes=5 * number) for number in reversed(range(24 * 12))]
    assert series[-1] | {"at": ""} == {"at": "", "accepted": 3, "duplicates": 2, "rejected": 1}
    assert sum(one["accepted"] for one in series) == 13
    assert len((await told.read(integration_id, "?hours=2"))["series"]) == 24
    assert sum(one["accepted"] for one in (await told.read(integration_id, "?hours=48"))["series"]) == 113


async def test_duplicates_that_the_pipeline_has_found_are_counted_as_such_and_never_less_than_nothing(
    told: Told,
) -> None:
    integration_id = await told.plane.create_integration()
    minute = int(AT.timestamp()) // 60 * 60
    dropped = PipelineReport(
        topic=topics.REQUESTS, partition=0, ended={}, dropped={integration_id: {minute: 2, minute - 600: 1}}
    )
    await told.tell(dropped)
    await told.tell(counted(integration_id, 5, 1))
    series = (await told.read(integration_id))["series"]
    counts = [(one["accepted"], one["duplicates"]) for one in series]
    assert (counts[-1], counts[-3]) == ((3, 3), (0, 1))


@pytest.mark.parametrize("query", ["hours=0", "hours=169", "limit=0", "limit=101", "cursor=nonsense"])
async def test_what_is_no_page_is_refused(told: Told, query: str) -> None:
    integration_id = await told.plane.create_integration()
    await told.plane.call("GET", f"/api/v1/integrations/{integration_id}/activity?{query}", status=400)


async def test_integrations_are_summed_up_for_a_list(told: Told) -> None:
    busy, quiet, old = [await told.plane.create_integration() for _ in range(3)]
    long_ago = AT - timedelta(days=3)
    await told.tell(
        counted(busy, 3, 2, 1), counted(busy, 10, at=AT - timedelta(hours=20)), counted(old, 7, at=long_ago)
    )
    summaries = await told.activity.summaries(await told.identity(), [busy, quiet, old])
    assert summaries == {
        busy: Summary(last_request_at=AT, accepted=13, duplicates=2, rejected=1),
        quiet: Summary(),
        old: Summary(last_request_at=long_ago),
    }


async def test_another_workspace_sees_nothing_of_it(told: Told, tmp_path: Path) -> None:
    integration_id = await told.plane.create_integration()
    await told.tell(counted(integration_id, 3, recent=(rejection(),)))
    await become_a_neighbour(told.plane, tmp_path)
    await told.plane.call("GET", f"/api/v1/integrations/{integration_id}/activity", status=404)
    assert await told.activity.summaries(await told.identity(), [integration_id]) == {integration_id: Summary()}


async def test_what_is_told_on_the_topic_is_seen_by_rest(tmp_path: Path, kafka: str) -> None:
    await topics.ensure_topics(kafka)
    async with serving(settings(tmp_path, kafka)) as plane:
        integration_id = await plane.create_integration()
        now = datetime.now(UTC)
        await tell(kafka, [counted(integration_id, 5, at=now), matched(integration_id, 5, at=now)])

        async def is_seen() -> bool:
            answer = await plane.call("GET", f"/api/v1/integrations/{integration_id}/activity")
            return (len(answer["items"]), sum(one["accepted"] for one in answer["series"])) == (5, 5)

        await eventually(is_seen)
