"""One Kafka for a module: the services' consumer groups are constants, so no two tests may share one at a time."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.kafka import kafka_server
from deploy.local.process import Process
from libs.topics import ensure_topics
from tests.conftest import or_skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A Kafka of this module's own, with the topics."""
    async with or_skip(kafka_server(tmp_path_factory.mktemp("kafka"))) as process:
        await ensure_topics(process.address)
        yield process
