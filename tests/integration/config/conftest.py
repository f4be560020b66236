from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.config.control_plane import ControlPlane, serving, settings


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A control plane of this test's own, without Kafka."""
    async with serving(settings(tmp_path)) as running:
        yield running
