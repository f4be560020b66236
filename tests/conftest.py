"""Infrastructure for the tests: one Kafka, Redis and PostgreSQL for each process of tests, and private ones to break.

With a Docker engine the shared ones are containers, without one the same local processes as ``make run``.
"""

import asyncio
import gc
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
import pytest_asyncio
from sqlalchemy import make_url, text
from testcontainers.core.container import DockerContainer

from deploy.local.kafka import NODE_SETTINGS, kafka_answers, kafka_server
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import SETTINGS, SUPERUSER, postgres_answers, postgres_server, postgres_session
from deploy.local.process import Process, ProcessFailedError
from deploy.local.redis import redis_answers, redis_server

TESTS = Path(__file__).parent
COMPOSE = TESTS.parent / "docker-compose.yml"

T = TypeVar("T")

OWNER = "inlet"

# How long an example takes is a matter of the machine.
hypothesis.settings.register_profile("inlet", deadline=None)
hypothesis.settings.load_profile("inlet")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, T, T]:
    """Collect no garbage while a failure is written down.

    An error that nobody has read is logged when it is collected. If that parses source while pytest parses source,
    Python 3.11 fails with a SystemError (python/cpython#106905), and that ends the whole run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several processes, see ``make test``, one runs all that use the whole product, and each file is for one."""
    for item in items:
        folder, *_, file = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group("e2e" if folder == "e2e" else f"{folder}/{file}"))


def pytest_collection_finish() -> None:
    """Look no more for garbage in what is imported and collected, which is a lot and stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def unique() -> str:
    """A short prefix that no other test uses, fit for topics, groups, ids and keys."""
    return f"t{secrets.token_hex(4)}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The bootstrap server of the session's Kafka, without topics. Tests share it: name things by `unique`."""
    server = kafka_container() if docker_answers() else address_of(kafka_server(tmp_path_factory.mktemp("kafka")))
    async with or_skip(server) as bootstrap:
        yield bootstrap


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of the session's Redis. Tests share it: name keys by `unique`, never flush."""
    server = redis_container() if docker_answers() else address_of(redis_server(tmp_path_factory.mktemp("redis")))
    async with or_skip(server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """A folder that the user whom PostgreSQL runs as can reach, as those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="inlet-postgres-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(postgres_folder: Path) -> AsyncIterator[str]:
    """The superuser's URL of the session's PostgreSQL. Tests share it: make databases, see `database_on`."""
    server = postgres_container() if docker_answers() else address_of(postgres_server(postgres_folder / "shared"))
    async with or_skip(server) as url:
        async with postgres_session(url) as session:
            await session.execute(text(f"CREATE ROLE {OWNER} LOGIN"))
        yield url


@pytest_asyncio.fixture
async def private_postgres(postgres_folder: Path, unique: str) -> AsyncIterator[Process]:
    """A PostgreSQL of this test's own: stop, kill, suspend and start it again on the same port and data."""
    async with or_skip(postgres_server(postgres_folder / unique)) as process:
        yield process


@pytest_asyncio.fixture
async def private_kafka(tmp_path: Path) -> AsyncIterator[Process]:
    """A Kafka of this test's own: stop, kill, suspend and start it again on the same port and data."""
    async with or_skip(kafka_server(tmp_path)) as process:
        yield process


@pytest_asyncio.fixture
async def private_redis(tmp_path: Path) -> AsyncIterator[Process]:
    """A Redis of this test's own: stop, kill, suspend and start it again on the same port and data."""
    async with or_skip(redis_server(tmp_path)) as process:
        yield process


@asynccontextmanager
async def or_skip(server: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """The server, running. If it cannot be started the test is skipped, but in CI it fails."""
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(server)
        except (OSError, ProcessFailedError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        yield running


@asynccontextmanager
async def address_of(server: AbstractAsyncContextManager[Process]) -> AsyncIterator[str]:
    async with server as process:
        yield process.address


@asynccontextmanager
async def database_on(server: str, name: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a new database for its owner, who may do nothing else there.

    At the end it is dropped, which fails if a connection to it was left open.
    """
    async with postgres_session(server) as session:
        await session.execute(text(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}"))
    try:
        yield make_url(server).set(username=OWNER, database=name).render_as_string()
    finally:
        async with postgres_session(server) as session:
            await session.execute(text(f"DROP DATABASE {name}"))


def docker_answers() -> bool:
    client = shutil.which("docker")
    if client is None:
        return False
    info = subprocess.run([client, "info"], capture_output=True, check=False)  # noqa: S603 - no input from outside
    return info.returncode == 0


def pinned(image: str) -> str:
    """The image with the version that the product runs with."""
    found = re.search(rf"image: ({image}:\S+)", COMPOSE.read_text())
    assert found
    return found[1]


@asynccontextmanager
async def kafka_container() -> AsyncIterator[str]:
    """One node with the settings of the local one. Clients must find it under the port that it advertises."""
    port = free_port()
    settings = {
        **NODE_SETTINGS,
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer(pinned("apache/kafka")).with_bind_ports(9092, port)
    for name, value in settings.items():
        container.with_env(f"KAFKA_{name.replace('.', '_').upper()}", value)
    with container:
        await answering(f"{LOOPBACK}:{port}", kafka_answers)
        yield f"{LOOPBACK}:{port}"


@asynccontextmanager
async def redis_container() -> AsyncIterator[str]:
    container = DockerContainer(pinned("redis")).with_exposed_ports(6379).with_command("redis-server --appendonly yes")
    with container:
        url = f"redis://{LOOPBACK}:{container.get_exposed_port(6379)}/0"
        await answering(url, redis_answers)
        yield url


@asynccontextmanager
async def postgres_container() -> AsyncIterator[str]:
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    container = DockerContainer(pinned("postgres")).with_exposed_ports(5432).with_command(f"postgres {options}")
    with container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust"):
        url = f"postgresql://{SUPERUSER}@{LOOPBACK}:{container.get_exposed_port(5432)}/postgres"
        await answering(url, postgres_answers)
        yield url


async def answering(address: str, answers: Callable[[str], Awaitable[bool]], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not await answers(address):
        if time.monotonic() > deadline:
            raise OSError(f"{address} does not answer")
        await asyncio.sleep(0.1)
