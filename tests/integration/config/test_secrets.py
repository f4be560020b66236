"""No secret that the API is given, or makes, is ever seen again: in an answer, a log, SQL or on a topic."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deploy.local.process import Process
from libs import topics
from tests.eventually import eventually
from tests.integration.config.careless import OPERATIONS, Careless
from tests.integration.config.control_plane import MASTER_KEY
from tests.integration.pipeline import Reader, Sent, new_integration, reading, running, send, service
from tests.secrecy import Secret, new_mark, places_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

AWKWARD = [
    '"',
    "\\",
    "'",
    "`",
    "\n",
    "\0",
    "\x1b",
    "%s",
    "{0}",
    "<b>",
    " - at `$.",
    "`$.",
    "\u2028",
    "ż",
    "😀",
    " ",
    "@",
]
TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(AWKWARD), max_size=12).map("".join)
STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), TEXTS), min_size=5, max_size=12)
# How an API key begins is shown, to recognise it by.
PREFIX = 14


class Service:
    """A config service as it is shipped, all places where it leaves something, and who uses it.

    `planted` is in the names of what is stored, and no secret: the search for it shows that the search finds things.
    """

    def __init__(self, process: Process, folder: Path, seen: dict[str, Reader], planted: str) -> None:
        self.planted = planted
        self.email = f"{planted}@example.com"
        self.client = httpx.AsyncClient(base_url=f"http://{process.address}", timeout=30)
        self._process = process
        self._folder = folder
        self._seen = seen

    def generated_password(self) -> str:
        """That of the administrator, which the log shows once."""
        return self._log().decode().split("password ")[1].split()[0]

    async def places(self, careless: Careless) -> dict[str, bytes]:
        """All that was left, once what was stored has reached the topic."""
        await careless.look_around()
        await self._until_relayed(careless)
        on_topics = {name: b"".join(await bytes_on(reader)) for name, reader in self._seen.items()}
        return on_topics | {
            "answers": b"\n".join(careless.answers),
            "log": self._log().replace(self.generated_password().encode(), b"", 1),
            "sql": b"".join(file.read_bytes() for file in self._folder.glob("inlet.db*")),
        }

    def _log(self) -> bytes:
        return self._process.log.read_bytes()

    async def _until_relayed(self, careless: Careless) -> None:
        path = (await careless.create(Secret.around(""))).encode()
        identifier = path.rpartition(b"/")[2]

        async def is_there() -> bool:
            return identifier in b"".join(await bytes_on(self._seen[topics.DEFINITIONS]))

        await eventually(is_there)


async def bytes_on(reader: Reader) -> list[bytes]:
    records = await reader.read_to_the_end()
    return [
        part
        for record in records
        for part in (record.key, record.value, *(value for _, value in record.headers))
        if part is not None
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def config(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    await topics.ensure_topics(kafka)
    folder, planted = tmp_path_factory.mktemp("config"), new_mark()
    environment = {
        "INLET_KAFKA": kafka,
        "INLET_DATABASE": f"sqlite:///{folder / 'inlet.db'}",
        "INLET_MASTER_KEY": MASTER_KEY,
        "INLET_ADMIN_EMAIL": f"{planted}@example.com",
        "INLET_TRUSTED_PROXIES": "127.0.0.1",
    }
    async with AsyncExitStack() as stack:
        names = (topics.DEFINITIONS, topics.SAMPLES)
        seen = {name: await stack.enter_async_context(reading(kafka, name)) for name in names}
        process = service("config", folder, environment)
        await stack.enter_async_context(running(process))
        started = Service(process, folder, seen, planted)
        await stack.enter_async_context(started.client)
        # Samples are the ingress's; this one only shows that they are looked through.
        await send(kafka, topics.SAMPLES, [Sent(key=new_integration().encode(), value=planted.encode())])
        yield started


@settings(
    max_examples=5,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example([(name, "\"'\\ż\n") for name in sorted(OPERATIONS)])
@example([(name, "`$.a' - at `$.b`") for name in sorted(OPERATIONS)])
@given(STEPS)
async def test_no_secret_is_seen_again_in_an_answer_in_a_log_in_sql_or_on_a_topic(
    config: Service, steps: list[tuple[str, str]]
) -> None:
    careless = Careless(config.client, config.planted, config.email)
    await careless.sign_in(config.generated_password())
    secrets = [Secret.around(text) for _, text in steps]
    for (name, _), secret in zip(steps, secrets, strict=True):
        await OPERATIONS[name](careless, secret)
    places = await config.places(careless)

    assert places_with([config.planted.encode()], places) == set(places)
    found = {
        name: where
        for (name, _), secret in zip(steps, secrets, strict=True)
        if (where := places_with(secret.traces(), places))
    }
    assert found == {}
    assert places_with([shown[PREFIX:].encode() for shown in careless.shown], places) == set()
    assert places_with([config.generated_password().encode()], places) == set()
