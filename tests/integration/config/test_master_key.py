"""A control plane that is started with another master key than the stored secrets were sealed with."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy.local.process import ProcessFailedError
from libs import topics
from libs.sealing import Sealer
from services.config.store.database import Database
from services.config.store.keys import sealed_texts
from tests.integration.config.control_plane import MASTER_KEY, ControlPlane, settings
from tests.integration.pipeline import running, service

OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


async def store_an_api_key(plane: ControlPlane) -> None:
    await plane.call("POST", "/api/v1/api-keys", {"name": "Shop"}, status=201)


async def store_a_secret(plane: ControlPlane) -> None:
    await plane.create_integration(auth={"kind": "meta", "appSecret": "secret", "verifyToken": "token"})


@pytest.mark.parametrize("store", [store_an_api_key, store_a_secret])
async def test_without_the_master_key_of_a_stored_secret_it_ends_and_says_so(
    plane: ControlPlane, tmp_path: Path, kafka: str, store: Callable[[ControlPlane], Awaitable[None]]
) -> None:
    await topics.ensure_topics(kafka)
    await store(plane)
    environment = {"INLET_KAFKA": kafka, "INLET_DATABASE": settings(tmp_path).database}
    wrong = service("config", tmp_path, {**environment, "INLET_MASTER_KEY": OTHER_KEY})
    with pytest.raises(ProcessFailedError, match="which is not in INLET_MASTER_KEY: add it there"):
        await wrong.start()
    async with running(service("config", tmp_path, {**environment, "INLET_MASTER_KEY": f"{OTHER_KEY},{MASTER_KEY}"})):
        pass


async def test_what_authors_write_is_never_taken_for_a_sealed_secret(plane: ControlPlane, tmp_path: Path) -> None:
    """An author of any workspace could otherwise keep config from starting."""
    lookalike = f"v1.{'0' * 8}.text"
    await store_an_api_key(plane)
    for auth in ({"kind": "none"}, {"kind": "meta", "appSecret": lookalike, "verifyToken": lookalike}):
        integration_id = await plane.create_integration(lookalike, icon=lookalike, auth=auth)
        await plane.call("POST", f"/api/v1/integrations/{integration_id}/publish")
    database = Database(settings(tmp_path).database)
    try:
        async with database.reading() as connection:
            sealed = await sealed_texts(connection)
    finally:
        await database.close()
    assert len(sealed) == 5  # the signing key, and two secrets in the draft and in what is published
    for one in sealed:
        Sealer(MASTER_KEY).check(one)
