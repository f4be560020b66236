"""Config processes as they are shipped, two on one PostgreSQL and one Kafka."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program
from deploy.local.rest import is_ready
from libs.messages import BusinessEvent
from libs.topics import ensure_topics
from services.config.store.database import Database
from services.config.store.outbox import Outbox
from tests.eventually import eventually
from tests.integration.config.control_plane import EMAIL, EVERYTHING, MASTER_KEY, PASSWORD, settings
from tests.integration.config.topic import DefinitionsTopic, definitions_topic

pytestmark = pytest.mark.parametrize("server", ["postgresql"], indirect=True)

ACTIVE = "this process publishes the definitions"
STANDBY = "this process stands by"


class Replica:
    """A config process, and somebody logged in there."""

    def __init__(self, folder: Path, name: str, kafka: str, database: str) -> None:
        port = free_port()
        self.address = f"{LOOPBACK}:{port}"
        self.client = httpx.AsyncClient(base_url=f"http://{self.address}", timeout=30, verify=False)  # noqa: S501
        self.process = Process(
            Program(
                name=name,
                command=(sys.executable, "-m", "services", "config"),
                address=self.address,
                log=folder / f"{name}.log",
                is_ready=lambda: is_ready(self.address),
                environment={
                    "INLET_KAFKA": kafka,
                    "INLET_DATABASE": database,
                    "INLET_MASTER_KEY": MASTER_KEY,
                    "INLET_DRAIN_S": "0",
                    "INLET_PORT": str(port),
                    "INLET_ADMIN_EMAIL": EMAIL,
                    "INLET_ADMIN_PASSWORD": PASSWORD,
                },
            )
        )

    @property
    def log(self) -> str:
        return self.process.log.read_text() if self.process.log.exists() else ""

    async def log_in(self) -> None:
        login = {"email": EMAIL, "password": PASSWORD}
        token = (await self.client.post("/api/v1/session", json=login)).raise_for_status().json()["token"]
        self.client.headers["authorization"] = f"Bearer {token}"

    async def create_business_event(self) -> str:
        """Its path."""
        integration = {"name": "Complaints", "auth": {"kind": "none"}}
        created = (await self.client.post("/api/v1/integrations", json=integration)).raise_for_status().json()
        body = {"name": "0", "integrationId": created["id"], "where": EVERYTHING}
        event = (await self.client.post("/api/v1/business-events", json=body)).raise_for_status().json()
        return f"/api/v1/business-events/{event['id']}"

    async def rename(self, path: str, name: str) -> None:
        (await self.client.patch(path, json={"name": name})).raise_for_status()


@asynccontextmanager
async def ending(replica: Replica) -> AsyncIterator[None]:
    async with replica.client:
        try:
            yield
        finally:
            await replica.process.stop()


async def start(replica: Replica) -> None:
    await replica.process.start()
    await replica.log_in()


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, kafka: str) -> AsyncIterator[tuple[Replica, Replica]]:
    """Both ready, after a start at the same time on an empty database; the first one publishes the definitions."""
    await ensure_topics(kafka, partitions=1)
    one, other = [Replica(tmp_path, name, kafka, settings(tmp_path).database) for name in ("one", "other")]

    async def have_roles() -> bool:
        return any(ACTIVE in active.log and STANDBY in standby.log for active, standby in ((one, other), (other, one)))

    async with ending(one), ending(other):
        await asyncio.gather(start(one), start(other))
        await eventually(have_roles)
        yield (one, other) if ACTIVE in one.log else (other, one)


async def says(replica: Replica, text: str, within_s: float = 10) -> None:
    async def has_said() -> bool:
        return text in replica.log

    await eventually(has_said, within_s=within_s, said=f"{replica.process.name} did not say: {text}")


def identifier_in(path: str) -> str:
    return path.rpartition("/")[2]


async def names_on(topic: DefinitionsTopic, path: str, last: str) -> list[int]:
    """The names of a Business Event in the order of the topic, once the last one is there."""
    identifier = identifier_in(path)

    async def has_arrived() -> bool:
        found = (await topic.rest("business-event", identifier))[-1:]
        return any(isinstance(one, BusinessEvent) and one.name == last for one in found)

    await eventually(has_arrived)
    return [int(one.name) for one in await topic.rest("business-event", identifier) if isinstance(one, BusinessEvent)]


async def is_emptied(folder: Path) -> bool:
    store = Database(settings(folder).database)
    try:
        return (await Outbox(store).pending(1))[0] == 0
    finally:
        await store.close()


async def test_what_is_changed_at_either_replica_is_published_in_order_by_one_of_them(
    replicas: tuple[Replica, Replica], kafka: str
) -> None:
    async with definitions_topic(kafka) as topic:
        path = await replicas[0].create_business_event()
        for number in range(1, 41):
            await replicas[number % 2].rename(path, str(number))
        assert await names_on(topic, path, "40") == [*range(41)]
    for replica, state in zip(replicas, (ACTIVE, STANDBY), strict=True):
        assert (replica.log.count(ACTIVE), replica.log.count(STANDBY)) == (state == ACTIVE, state == STANDBY)
        assert "WARNING services.config.relay" not in replica.log


@pytest.mark.parametrize("ending", ["kill", "stop"])
async def test_when_the_replica_that_publishes_ends_the_other_takes_over_and_nothing_is_lost(
    replicas: tuple[Replica, Replica], kafka: str, tmp_path: Path, ending: str
) -> None:
    first, second = replicas
    async with definitions_topic(kafka) as topic:
        path = await first.create_business_event()

        async def rename_on() -> None:
            for number in range(1, 201):
                await second.rename(path, str(number))

        renaming = asyncio.create_task(rename_on())
        await topic.history("business-event", identifier_in(path), 20)
        await (first.process.kill() if ending == "kill" else first.process.stop())
        await says(second, ACTIVE)
        await renaming
        names = await names_on(topic, path, "200")
        assert list(dict.fromkeys(names)) == [*range(201)]
        await eventually(lambda: is_emptied(tmp_path))


async def test_a_replica_that_was_frozen_while_another_took_over_cannot_publish_what_is_out_of_date(
    replicas: tuple[Replica, Replica], kafka: str, tmp_path: Path
) -> None:
    first, second = replicas
    async with definitions_topic(kafka) as topic:
        path = await first.create_business_event()

        async def rename_on(numbers: range) -> None:
            for number in numbers:
                await second.rename(path, str(number))

        renaming = asyncio.create_task(rename_on(range(1, 101)))
        await topic.history("business-event", identifier_in(path), 20)
        first.process.suspend()
        await renaming
        await says(second, ACTIVE, within_s=90)  # a lease of 20 s, and then Kafka
        assert (await names_on(topic, path, "100"))[-1] == 100
        first.process.resume()
        await rename_on(range(101, 121))
        await says(first, STANDBY)
        names = await names_on(topic, path, "120")
        assert list(dict.fromkeys(names)) == [*range(121)]
        assert names[names.index(100) :] == [*range(100, 121)]
        await eventually(lambda: is_emptied(tmp_path))


async def test_a_replica_that_starts_without_its_database_waits_for_it(
    private_postgres: Process, kafka: str, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, "early", kafka, private_postgres.address)
    await private_postgres.kill()
    async with definitions_topic(kafka) as topic, replica.client:
        starting = asyncio.create_task(replica.process.start())
        try:
            await says(replica, "the database does not answer, trying on", within_s=30)
            await eventually(lambda: is_alive(replica))
            assert (await replica.client.get("/readyz")).json()["sql"] is False
            with pytest.raises(httpx.HTTPStatusError, match="503"):
                await replica.log_in()
            await private_postgres.start()
            await starting
            await replica.log_in()
            assert await names_on(topic, await replica.create_business_event(), "0") == [0]
            assert replica.log.count("the database does not answer") == 1
        finally:
            starting.cancel()
            await replica.process.stop()


async def is_alive(replica: Replica) -> bool:
    try:
        return (await replica.client.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False
