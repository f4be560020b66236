"""Changes take effect at every process of a service, however many there are."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack
from tests.e2e.author import Author, Made
from tests.e2e.test_front_door import in_effect
from tests.e2e.test_reference import call, select_authentication
from tests.e2e.workflow import read_events, read_triggers, settle
from tests.eventually import eventually

Report = Callable[[str], None]

# The promise is a second. A loaded machine may take longer; what only looked every few seconds would be later still.
WITHIN_S = 10


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Says something in the output of the run."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201 what was measured

    return say


@asynccontextmanager
async def all_of(stack: Stack, service: str) -> AsyncIterator[list[str]]:
    """The URLs of the process that there is, and of a second one."""
    second = stack.replica(service)
    try:
        await second.start()
        yield [stack.url(service), f"http://{second.address}"]
    finally:
        await second.stop()


@pytest_asyncio.fixture
async def ingresses(stack: Stack) -> AsyncIterator[list[str]]:
    async with all_of(stack, "ingress") as urls:
        yield urls


@pytest_asyncio.fixture
async def triggers(stack: Stack) -> AsyncIterator[list[str]]:
    async with all_of(stack, "trigger") as urls:
        yield urls


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


async def test_a_revoked_key_is_refused_at_every_ingress(
    author: Author, stack: Stack, sender: httpx.AsyncClient, ingresses: list[str], report: Report
) -> None:
    """The deadline only bounds the wait; the time that it took is said, and `bench.revocation` has its distribution."""
    auth, credentials = await select_authentication(author, stack, "jwt")
    created = await call(author, "POST", "/integrations", {"name": "Revoked everywhere", "auth": auth})
    await call(author, "POST", f"/integrations/{created['id']}/publish")
    path = httpx.URL(created["url"]).path

    async def answered(ingress: str, status: int) -> None:
        async def answers() -> bool:
            response = await sender.post(f"{ingress}{path}", json={}, headers=credentials(b"{}"))
            return response.status_code == status

        await eventually(answers, within_s=WITHIN_S, said=f"{ingress} does not answer {status}")

    await asyncio.gather(*(answered(ingress, 200) for ingress in ingresses))
    await call(author, "DELETE", f"/api-keys/{auth['apiKeyId']}")
    revoked = time.monotonic()
    await asyncio.gather(*(answered(ingress, 403) for ingress in ingresses))
    report(f"refused at {len(ingresses)} ingresses {time.monotonic() - revoked:.3f} s after it was revoked")
    for _ in range(5):
        for ingress in ingresses:
            assert (await sender.post(f"{ingress}{path}", json={}, headers=credentials(b"{}"))).status_code == 403


class Sending(NamedTuple):
    """Requests to one integration, by turns at each ingress, of which every trigger process gets some."""

    kafka: str
    sender: httpx.AsyncClient
    urls: Sequence[str]
    triggers: Sequence[str]

    async def once(self) -> list[str]:
        answers = [await self.sender.post(url, json={}) for url in self.urls]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.headers["x-request-id"] for answer in answers]

    async def some(self) -> set[str]:
        """Send until each trigger process has matched some of these, and nothing else; their ids."""
        await settle(self.kafka)
        ids, before = set[str](), await self._matched()

        async def reached_all() -> bool:
            ids.update(await self.once())
            return all(now > then for now, then in zip(await self._matched(), before, strict=True))

        await eventually(reached_all, said="a trigger process gets no events")
        return ids

    async def _matched(self) -> list[float]:
        """How many events each process has matched."""
        pages = [(await self.sender.get(f"{trigger}/metrics")).text for trigger in self.triggers]
        return [
            sum(one.value for family in text_string_to_metric_families(page) for one in family.samples
                if one.name == "inlet_trigger_events_total")
            for page in pages
        ]  # fmt: skip


async def test_a_paused_or_activated_business_event_is_so_at_every_trigger_process(
    author: Author,
    stack: Stack,
    sender: httpx.AsyncClient,
    ingresses: list[str],
    triggers: list[str],
    report: Report,
) -> None:
    """An event is matched with at least what its ingress knew, so a change is in effect once all ingresses know of it.

    The definitions are in one partition: an ingress that knows of an integration published after the change knows of
    the change. Requests after that are decided as changed, whichever process decides. Those sent since the answer tell
    how long it took, which is said and not asserted.
    """
    integration = await author.make_integration("Paused everywhere")
    event = await author.make_business_event(integration, {})
    path = await publish(author, integration)
    sending = Sending(stack.kafka.address, sender, [f"{ingress}{path}" for ingress in ingresses], triggers)

    async def known(path: str) -> None:
        """Return once every ingress knows of an integration, and send on meanwhile."""

        async def is_known() -> bool:
            await sending.once()
            answers = [await sender.post(f"{ingress}{path}", json={}) for ingress in ingresses]
            return {answer.status_code for answer in answers} == {200}

        await eventually(is_known, within_s=WITHIN_S, said="an ingress does not know of the change")

    async def triggered() -> set[str]:
        await settle(stack.kafka.address)
        return {one.event.id for one in await read_triggers(stack.kafka.address, integration.id)}

    await asyncio.gather(*(in_effect(sender, url) for url in sending.urls))
    assert await sending.some() <= await triggered()
    for action, is_active in (("pause", False), ("activate", True)):
        after = await author.make_integration(f"After {action}")
        await author.post(f"/business-events/{event.id}/{action}")
        changed = datetime.now(UTC)
        path_after, _ = await asyncio.gather(
            publish(author, after), asyncio.gather(*(sending.once() for _ in range(10)))
        )
        await known(path_after)
        ids = await sending.some()
        found = await triggered()
        assert ids & found == (ids if is_active else set())
        events = await read_events(stack.kafka.address, integration.id)
        former = [one.received_at for one in events if (one.id in found) is not is_active]
        last = datetime.fromisoformat(max(former, default=changed.isoformat()))
        took_s = max(0, (last - changed).total_seconds())
        report(f"{action}: the last event that was decided as before came {took_s:.3f} s after the answer")


async def publish(author: Author, integration: Made) -> str:
    """The path of its endpoint."""
    return httpx.URL((await author.post(f"/integrations/{integration.id}/publish")).url).path
