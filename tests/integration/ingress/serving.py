"""The ingress as a process, what its authors put on the definitions topic, and what it leaves on the requests topic."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from msgspec.structs import asdict, replace

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, Program
from deploy.local.rest import is_ready
from libs import topics
from libs.messages import (
    SOURCE,
    Auth,
    Deduplication,
    Definition,
    DraftIntegration,
    Integration,
    MetaAuth,
    NoAuth,
    definition_key,
)
from tests.consuming import read_all
from tests.eventually import eventually
from tests.unit.ingress.credentials import MASTER_KEY


class Ingress:
    """A running ingress and the author of its integrations."""

    def __init__(self, process: Process, kafka: str, log: Path) -> None:
        self.process = process
        self.kafka = kafka
        self.log = log
        self.http = httpx.AsyncClient(base_url=f"http://{process.address}", timeout=30)

    @property
    def port(self) -> int:
        return int(self.process.address.rpartition(":")[2])

    async def send(self, integration_id: str, content: bytes, **headers: str) -> httpx.Response:
        """POST a body as JSON; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            path_of(integration_id), content=content, headers={"content-type": "application/json"} | named
        )

    async def publish(self, rules: Deduplication | None = None, *, version: int = 1, auth: Auth | None = None) -> str:
        """Publish an integration; its id, once the ingress knows it."""
        integration = an_integration(deduplication=rules, version=version, auth=auth or NoAuth())
        await self.introduce(integration)
        return integration.id

    async def introduce(self, integration: Integration | DraftIntegration) -> None:
        """Define a new integration, and return once the ingress knows it. A draft must be one of Meta's."""
        await self.define(integration)
        await self.until_answered(integration.id, 403 if isinstance(integration.auth, MetaAuth) else 405)

    async def define(self, *definitions: Definition) -> None:
        await self._put(*((definition_key(one), msgspec.json.encode(one)) for one in definitions))

    async def put_definition(self, key: bytes, value: bytes | None) -> None:
        await self._put((key, value))

    async def _put(self, *records: tuple[bytes, bytes | None]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True) as producer:
            for key, value in records:
                await producer.send_and_wait(topics.DEFINITIONS, value, key=key)

    async def until_answered(self, integration_id: str, status: int) -> None:
        """Wait for what a GET is answered: 405 by a published integration, 403 by one of Meta's."""

        async def answers() -> bool:
            return (await self.http.get(path_of(integration_id))).status_code == status

        await eventually(answers)

    async def requests(self, integration_id: str) -> list[ConsumerRecord]:
        """What is on ``inlet.requests`` of an integration now."""
        found = await read_all(self.kafka, topics.REQUESTS)
        return [one for one in found if integration_id.encode() in dict(one.headers).get(SOURCE, b"")]


def an_integration(**fields: object) -> Integration:
    """A new integration, without authentication unless `fields` say otherwise."""
    plain = Integration(id=str(uuid4()), workspace="w", name="Ümlaut", version=1, auth=NoAuth())
    return replace(plain, **fields)


def drafted(integration: Integration) -> DraftIntegration:
    return DraftIntegration(**asdict(integration))


def path_of(integration_id: str) -> str:
    return f"/automation-endpoint/endpoints/authorized/{integration_id}/trigger"


@asynccontextmanager
async def serving(
    kafka: str, redis: str, folder: Path, *, ready: bool = True, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Ingress]:
    """The ingress, ready, or only listening if `ready` is False; stopped at the end."""
    address, log = f"{LOOPBACK}:{free_port()}", folder / "ingress.log"

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(*address.split(":"))
        except OSError:
            return False
        writer.close()
        return True

    environment = {
        "INLET_KAFKA": kafka,
        "INLET_REDIS": redis,
        "INLET_MASTER_KEY": MASTER_KEY,
        "INLET_PORT": address.rpartition(":")[2],
        "INLET_DRAIN_S": "0",
    }
    program = Program(
        name="ingress",
        command=(sys.executable, "-m", "services", "ingress"),
        address=address,
        log=log,
        is_ready=(lambda: is_ready(address)) if ready else listens,
        environment=environment | dict(settings or {}),
    )
    process = Process(program)
    await process.start()
    ingress = Ingress(process, kafka, log)
    try:
        yield ingress
    finally:
        await ingress.http.aclose()
        await process.stop(grace_s=20)
