"""One ingress for the tests that break nothing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from libs import topics
from tests.integration.ingress.serving import Ingress, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_ingress(
    kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ingress]:
    await topics.ensure_topics(kafka)
    impatient = {"INLET_BODY_IDLE_TIMEOUT_S": "1", "INLET_BODY_TIMEOUT_S": "3"}
    async with serving(kafka, redis_url, tmp_path_factory.mktemp("ingress"), settings=impatient) as ingress:
        yield ingress


@pytest_asyncio.fixture
async def ingress(shared_ingress: Ingress) -> AsyncIterator[Ingress]:
    """The shared ingress, with a client of this test's event loop."""
    ingress = Ingress(shared_ingress.process, shared_ingress.kafka, shared_ingress.log)
    yield ingress
    await ingress.http.aclose()
