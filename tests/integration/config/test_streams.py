"""Streams of captures from config as it is shipped: how they end, and that nothing is left of them."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.process import Process
from libs import topics
from tests.eventually import eventually
from tests.integration.config.control_plane import EMAIL, MASTER_KEY, PASSWORD, above_the_store, settings
from tests.integration.pipeline import running, service

pytestmark = above_the_store

STREAMS = 20
STOPS_WITHIN_S = 5
LATE = 5  # connections to Kafka that may come after the replica is ready
POOL = 5  # connections to the database that are kept


class Replica:
    """A config process and a client of it."""

    def __init__(self, folder: Path, kafka: str) -> None:
        environment = {
            "INLET_KAFKA": kafka,
            "INLET_DATABASE": settings(folder).database,
            "INLET_MASTER_KEY": MASTER_KEY,
            "INLET_ADMIN_EMAIL": EMAIL,
            "INLET_ADMIN_PASSWORD": PASSWORD,
        }
        self.process: Process = service("config", folder, environment)
        self.client = self.new_client()

    def new_client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        address = f"http://{self.process.address}"
        return httpx.AsyncClient(base_url=address, timeout=30, headers=headers, verify=False)  # noqa: S501  plain HTTP

    @property
    def token(self) -> str:
        return self.client.headers["authorization"].removeprefix("Bearer ")

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = (await self.client.request(method, path, json=body)).raise_for_status()
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer

    async def log_in(self) -> None:
        answer = await self.call("POST", "/api/v1/session", {"email": EMAIL, "password": PASSWORD})
        self.client.headers["authorization"] = f"Bearer {answer['token']}"
        self.client.cookies.clear()

    async def arm(self) -> str:
        """The path of a new integration whose capture is armed."""
        made = await self.call("POST", "/api/v1/integrations", {"name": "Complaints", "auth": {"kind": "none"}})
        path = f"/api/v1/integrations/{made['id']}"
        await self.call("POST", f"{path}/capture")
        return path

    def open_files(self, kind: str) -> int:
        """How many open files, or sockets, of the process have this in their names."""
        found = 0
        for file in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found += kind in str(file.readlink())
        return found


@asynccontextmanager
async def started(replica: Replica) -> AsyncIterator[Replica]:
    async with running(replica.process), replica.client:
        yield replica


@pytest_asyncio.fixture
async def replica(tmp_path: Path, kafka: str) -> AsyncIterator[Replica]:
    await topics.ensure_topics(kafka)
    async with started(Replica(tmp_path, kafka)) as one:
        await one.log_in()
        yield one


async def states(client: httpx.AsyncClient, path: str) -> AsyncGenerator[str, None]:
    """What a stream tells, until it ends as it should."""
    async with client.stream("GET", f"{path}/capture/stream") as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))["state"]


async def test_a_replica_that_is_stopped_ends_its_streams_in_time_and_another_goes_on(
    replica: Replica, tmp_path: Path, kafka: str
) -> None:
    path = await replica.arm()
    token = replica.token
    async with aclosing(states(replica.client, path)) as told:
        assert await anext(told) == "armed"
        stopping = asyncio.create_task(replica.process.stop(grace_s=STOPS_WITHIN_S))
        assert [state async for state in told] == []  # and no broken connection
        await stopping
    assert await replica.process.wait() == 0  # and not killed
    assert "ERROR" not in replica.process.log.read_text()

    async with (
        started(Replica(tmp_path, kafka)) as other,
        other.new_client(token) as client,
        aclosing(states(client, path)) as told,
    ):
        assert await anext(told) == "armed"
        await client.delete(f"{path}/capture")
        assert [state async for state in told] == ["cancelled"]


@pytest.mark.parametrize("ending", ["logging out", "a permission withdrawn", "the integration deleted"])
async def test_a_stream_ends_with_what_it_is_allowed_by(replica: Replica, ending: str) -> None:
    path = await replica.arm()
    login = {"email": "author@example.com", "password": PASSWORD}
    user = await replica.call("POST", "/api/v1/users", {**login, "role": "author"})
    token = (await replica.call("POST", "/api/v1/session", login))["token"]
    replica.client.cookies.clear()
    async with replica.new_client(token) as client, aclosing(states(client, path)) as told:
        assert await anext(told) == "armed"
        match ending:
            case "logging out":
                await client.delete("/api/v1/session")
            case "a permission withdrawn":
                await replica.call("PATCH", f"/api/v1/users/{user['id']}", {"permissions": ["AUTOMATION_ACCESS"]})
            case _:
                await replica.call("DELETE", path)
        async with asyncio.timeout(5):
            assert [state async for state in told] == []
    assert "ERROR" not in replica.process.log.read_text()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc tells the open files on Linux only")
async def test_nothing_is_left_of_clients_that_go_away_in_the_middle_of_a_stream(replica: Replica) -> None:
    path = await replica.arm()
    before = replica.open_files("socket:")

    async def is_as_before() -> bool:
        return replica.open_files("socket:") <= before + LATE and replica.open_files("inlet.db-wal") <= POOL

    for _ in range(3):
        assert await follow_and_go_away(replica, path) >= before + STREAMS
        await eventually(is_as_before, within_s=10)
    assert (await replica.call("GET", f"{path}/capture"))["state"] == "armed"
    assert "ERROR" not in replica.process.log.read_text()


async def follow_and_go_away(replica: Replica, path: str) -> int:
    """The number of sockets while streams were followed, which are then left at once."""
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS):
            client = await stack.enter_async_context(replica.new_client(replica.token))
            told = await stack.enter_async_context(aclosing(states(client, path)))
            assert await anext(told) == "armed"
        return replica.open_files("socket:")
