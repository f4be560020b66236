"""What came to an integration, through the shipped processes: sent to the ingress, and explained by config."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from tests.e2e.author import Author, Endpoint
from tests.e2e.test_front_door import HIGH_PRIORITY, in_effect
from tests.eventually import eventually


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


async def read(author: Author, path: str) -> Any:  # noqa: ANN401
    answer = await author.http.get(path)
    answer.raise_for_status()
    return answer.json()


async def until_told(author: Author, endpoint: Endpoint, count: int) -> list[dict[str, Any]]:
    """The latest requests, the newest first, without those that only waited for the integration to be published."""
    path, found = f"/integrations/{endpoint.integration.id}/activity", list[dict[str, Any]]()

    async def are_there() -> bool:
        items = (await read(author, path))["items"]
        found[:] = [one for one in items if one["status"] not in {400, 404}]
        return len(found) >= count

    await eventually(are_there, said=f"fewer than {count} requests in the activity")
    return found


async def test_what_became_of_each_request_is_told_counted_and_explained(
    author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    endpoint = await author.make_endpoint(unique, where=HIGH_PRIORITY, deduplicate_on=["body.complaint.id"])
    await in_effect(sender, endpoint.url)

    async def send(complaint: str, priority: str) -> str:
        answer = await sender.post(endpoint.url, json={"complaint": {"id": complaint, "priority": priority}})
        answer.raise_for_status()
        return str(answer.headers.get("x-request-id"))

    high, low = await send("cmp-1", "high"), await send("cmp-2", "low")
    await send("cmp-1", "high")
    assert (await sender.post(endpoint.url, content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415
    told = {one["outcome"]: one for one in await until_told(author, endpoint, 4)}
    assert set(told) == {"matched", "no-match", "duplicate", "rejected"}
    assert (told["matched"]["id"], told["no-match"]["id"]) == (high, low)
    assert told["matched"]["matched"] == [{"id": endpoint.business_event.id, "name": "b"}]
    assert told["rejected"]["status"] == 415

    series = (await read(author, f"/integrations/{endpoint.integration.id}/activity"))["series"]
    assert sum(one["accepted"] for one in series) == 2
    assert sum(one["duplicates"] for one in series) == 1

    explained = await read(author, f"/events/{high}/explain")
    [business_event] = explained["businessEvents"]
    assert (business_event["matched"], business_event["conditions"][0]["actual"]) == (True, "high")
    explained = await read(author, f"/events/{low}/explain")
    [business_event] = explained["businessEvents"]
    assert (business_event["matched"], business_event["conditions"][0]["actual"]) == (False, "low")
    explained = await read(author, f"/events/{told['duplicate']['id']}/explain")
    assert explained["deduplication"]["inputs"] == [{"parameter": "body.complaint.id", "value": "cmp-1"}]
    assert explained["deduplication"]["duplicateOf"] == high


async def test_an_event_beyond_the_latest_is_explained_too(
    author: Author, sender: httpx.AsyncClient, unique: str
) -> None:
    endpoint = await author.make_endpoint(unique, where=HIGH_PRIORITY)
    await in_effect(sender, endpoint.url)
    first = (await sender.post(endpoint.url, json={"complaint": {"priority": "high"}})).headers["x-request-id"]
    path = f"/integrations/{endpoint.integration.id}/activity?limit=100"

    async def is_forgotten() -> bool:
        for _ in range(100):
            (await sender.post(endpoint.url, json={})).raise_for_status()
        page = await read(author, path)
        rest = await read(author, f"{path}&cursor={page['nextCursor']}") if page["nextCursor"] else {"items": []}
        items = [*page["items"], *rest["items"]]
        return len(items) >= 200 and first not in [one["id"] for one in items]

    await eventually(is_forgotten, within_s=60)
    explained = await read(author, f"/events/{first}/explain")
    assert explained["recorded"]["outcome"] == "matched"
    assert explained["event"]["body"] == {"complaint": {"priority": "high"}}
