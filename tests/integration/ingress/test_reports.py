"""What the ingress tells on ``inlet.activity`` about the requests it has answered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
from msgspec.structs import replace

from libs import topics
from libs.activity import IngressReport, Input, Rejection, Repetition, decode_report
from libs.messages import EVENT_ID, Deduplication, Position
from tests.consuming import read_all
from tests.eventually import eventually
from tests.integration.ingress.serving import Ingress, an_integration, drafted, serving
from tests.unit.ingress.credentials import meta_auth

RULES = Deduplication(parameters=("body.id",))


async def reports_of(kafka: str, integration_id: str) -> list[IngressReport]:
    records = [record for record in await read_all(kafka, topics.ACTIVITY) if record.key == integration_id.encode()]
    decoded = [decode_report(record.value) for record in records]
    return [one for one in decoded if isinstance(one, IngressReport) and one.integration_id == integration_id]


def counts(reports: Sequence[IngressReport]) -> tuple[int, int, int]:
    each = [(one.accepted, one.duplicates, one.rejected) for one in reports]
    accepted, duplicates, rejected = (sum(column) for column in zip(*each, strict=True)) if each else (0, 0, 0)
    return accepted, duplicates, rejected


async def until_counted(
    kafka: str, integration_id: str, expected: tuple[int, int, int], before: Sequence[IngressReport] = ()
) -> list[IngressReport]:
    """The reports since `before`, once they add up to this."""
    found: list[IngressReport] = []

    async def are_there() -> bool:
        found[:] = (await reports_of(kafka, integration_id))[len(before) :]
        return counts(found) >= expected

    await eventually(are_there, said=f"not {expected} but {counts(found)}")
    assert counts(found) == expected
    return found


async def published(ingress: Ingress, rules: Deduplication | None = None) -> tuple[str, list[IngressReport]]:
    """An integration, and what was told of it when the ingress did not know it yet, or as it learned of it."""
    integration_id = await ingress.publish(rules)
    before: list[IngressReport] = []

    async def is_quiet() -> bool:
        last = len(before)
        before[:] = await reports_of(ingress.kafka, integration_id)
        return len(before) == last > 0

    await eventually(is_quiet)
    return integration_id, before


async def test_accepted_repeated_and_refused_requests_are_told_with_counts_and_what_they_were(ingress: Ingress) -> None:
    integration_id, before = await published(ingress, RULES)
    answered: list[httpx.Response] = [await ingress.send(integration_id, b'{"id": "first"}') for _ in range(2)]
    answered.append(await ingress.send(integration_id, b"[]", authorization="Bearer hunter2"))
    assert [answer.status_code for answer in answered] == [200, 204, 400]
    reports = await until_counted(ingress.kafka, integration_id, (1, 1, 1), before)
    recent = [one for report in reports for one in report.recent]
    [repetition] = [one for one in recent if isinstance(one, Repetition)]
    [rejection] = [one for one in recent if isinstance(one, Rejection)]
    [record] = await ingress.requests(integration_id)
    assert repetition.owner == Position(record.partition, record.offset)
    assert repetition.inputs == (Input(parameter="body.id", value="first"),)
    assert repetition.id != dict(record.headers)[EVENT_ID].decode()
    assert rejection.status == 400
    assert "not a JSON object" in rejection.reason
    assert "hunter2" not in repr(reports)
    told = [
        one for one in await read_all(ingress.kafka, topics.ACTIVITY) if integration_id.encode() in (one.value or b"")
    ]
    keys = {one.key for one in told}
    assert keys == {integration_id.encode()}


async def test_of_many_requests_in_a_second_there_are_few_records(ingress: Ingress) -> None:
    integration_id, before = await published(ingress, RULES)
    await asyncio.gather(*(ingress.send(integration_id, b'{"id": "same"}') for _ in range(300)))
    reports = await until_counted(ingress.kafka, integration_id, (1, 299, 0), before)
    assert len(reports) < 30
    assert all(len(report.recent) <= 20 for report in reports)


async def test_requests_to_a_draft_are_told_to_its_owner(ingress: Ingress) -> None:
    draft = drafted(an_integration())
    draft = replace(draft, auth=meta_auth(draft.id, "s"))
    await ingress.introduce(draft)
    assert (await ingress.send(draft.id, b"{}")).status_code == 404

    async def is_told() -> bool:
        recent = [one for report in await reports_of(ingress.kafka, draft.id) for one in report.recent]
        return "The integration is not published" in [one.reason for one in recent if isinstance(one, Rejection)]

    await eventually(is_told)


async def test_what_was_counted_when_it_is_stopped_is_told(kafka: str, redis_url: str, tmp_path: Path) -> None:
    await topics.ensure_topics(kafka)
    async with serving(kafka, redis_url, tmp_path) as ingress:
        integration_id, before = await published(ingress)
        for _ in range(5):
            await ingress.send(integration_id, b"{}")
    reports = (await reports_of(kafka, integration_id))[len(before) :]
    assert counts(reports) == (5, 0, 0)
