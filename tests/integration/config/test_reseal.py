"""A new master key for everything that is stored and published, while config runs: ``python -m services reseal``.

The tests share a topic, so each leaves nothing there that the old key has sealed.
"""

import asyncio
import base64
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import Table, select

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs import topics
from libs.messages import DraftIntegration, MetaAuth, definition_key
from libs.sealing import Sealer
from services.config.reseal import ResealError, reseal
from services.config.settings import Settings
from services.config.store import schema
from services.config.store.database import Database
from tests.consuming import read_all
from tests.eventually import eventually
from tests.integration.config.control_plane import MASTER_KEY, SQLITE_FILE, ControlPlane, serving, settings
from tests.integration.config.locks import somebody_waits
from tests.integration.config.test_workspaces import NEIGHBOUR, become_a_neighbour
from tests.integration.dead_letters.operators import Answer, ended
from tests.integration.ingress.serving import path_of
from tests.integration.ingress.serving import serving as serving_ingress
from tests.integration.pipeline import Sent, send
from tests.unit.ingress.credentials import signature

NEW_KEY = base64.b64encode(bytes(range(1, 33))).decode()
BOTH_KEYS = f"{NEW_KEY},{MASTER_KEY}"
OLD, NEW = (f"v1.{Sealer(key).first}.".encode() for key in (MASTER_KEY, NEW_KEY))
APP_SECRET, VERIFY_TOKEN = "app secret 4711", "verify token 4711"
META = {"kind": "meta", "appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN}
INTEGRATIONS = "/api/v1/integrations"
CHANGED = (schema.integrations, schema.signing_keys, schema.outbox, schema.audit_log)


def chosen(folder: Path, kafka: str, keys: str = BOTH_KEYS) -> Settings:
    return replace(settings(folder, kafka), master_key=keys)


async def begin(given: Settings) -> asyncio.subprocess.Process:
    """The command as a process of its own."""
    environment = {"INLET_KAFKA": given.kafka, "INLET_DATABASE": given.database, "INLET_MASTER_KEY": given.master_key}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "reseal"),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(given: Settings) -> Answer:
    return await ended(await begin(given))


async def lines_of(given: Settings) -> list[str]:
    """What the command says if it succeeds, in this process."""
    lines: list[str] = []
    await reseal(given, lines.append)
    return lines


async def publish(plane: ControlPlane, auth: dict[str, str]) -> str:
    """The id of a new integration that is live."""
    integration_id = await plane.create_integration(auth=auth)
    await plane.call("POST", f"{INTEGRATIONS}/{integration_id}/publish")
    return integration_id


async def stored(folder: Path, *tables: Table) -> bytes:
    """Everything in these tables, or in all that there are."""
    database = Database(settings(folder).database)
    try:
        async with database.reading() as connection:
            rows = [
                (await connection.execute(select(table))).all() for table in tables or schema.metadata.sorted_tables
            ]
    finally:
        await database.close()
    return repr(rows).encode()


async def published(kafka: str) -> bytes:
    """The last record of every key on the topic."""
    latest = {record.key: record.value for record in await read_all(kafka, topics.DEFINITIONS)}
    return b"\n".join(value for value in latest.values() if value is not None)


class Made(NamedTuple):
    """Integrations of each kind, and what senders to that with tokens log in with."""

    plain: str
    token: str
    meta: str
    draft: str
    api_key: str


async def make_everything(plane: ControlPlane) -> Made:
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "Shop"}, status=201)
    made = Made(
        plain=await publish(plane, {"kind": "none"}),
        token=await publish(plane, {"kind": "jwt", "apiKeyId": key["id"]}),
        meta=await publish(plane, META),
        draft=await plane.create_integration(auth=META),
        api_key=key["secret"],
    )
    later = {"kind": "meta", "appSecret": "not live yet", "keepPreviousAppSecret": True}
    await plane.call("PATCH", f"{INTEGRATIONS}/{made.meta}", {"auth": later})
    return made


async def test_afterwards_the_new_key_alone_is_enough_everywhere(
    plane: ControlPlane, broker: Process, redis_url: str, tmp_path: Path
) -> None:
    kafka = broker.address
    made = await make_everything(plane)
    async with serving(chosen(tmp_path, kafka), token=plane.token):
        assert OLD in await stored(tmp_path)
        answer = await run(chosen(tmp_path, kafka))
        assert (answer.code, answer.out) == (0, "")
        first, *_, last = answer.said.splitlines()
        assert first.startswith("3 of 3 integrations and signing keys have to be sealed")
        assert last.startswith("Done: ")
        for secret in (APP_SECRET, VERIFY_TOKEN, made.api_key, MASTER_KEY, NEW_KEY, "v1.", "PRIVATE"):
            assert secret not in answer.said
    for place in (await stored(tmp_path), await published(kafka)):
        assert NEW in place
        assert OLD not in place
    only_new = chosen(tmp_path, kafka, NEW_KEY)
    new_key = {"INLET_MASTER_KEY": NEW_KEY}
    async with (
        serving(only_new, token=plane.token) as config,
        serving_ingress(kafka, redis_url, tmp_path, settings=new_key) as ingress,
    ):
        token = (await config.call("POST", "/uauth/v2/auth/login/profile", {"apiKey": made.api_key}))["token"]
        accepted = {
            made.plain: await ingress.send(made.plain, b"{}"),
            made.token: await ingress.send(made.token, b"{}", authorization=f"Bearer {token}"),
            made.meta: await ingress.send(made.meta, b"{}", x_hub_signature_256=signature(b"{}", APP_SECRET)),
        }
        assert {one: answer.status_code for one, answer in accepted.items()} == dict.fromkeys(accepted, 200)
        for integration_id in (made.meta, made.draft):
            handshake = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
            assert (await ingress.http.get(path_of(integration_id), params=handshake)).text == "1158201444"


async def test_no_author_notices_it_and_a_second_run_changes_nothing(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    path = f"{INTEGRATIONS}/{await publish(plane, META)}"
    before = await plane.client.get(path)
    log: list[Any] = (await plane.call("GET", "/api/v1/audit-log"))["items"]
    given = chosen(tmp_path, broker.address)
    async with serving(given, token=plane.token) as config:
        assert (await lines_of(given))[0].startswith("1 of 1 ")
        after = await config.client.get(path)
        assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
        once = await stored(tmp_path, *CHANGED)
        assert (await lines_of(given))[0].startswith("0 of 1 ")
        assert await stored(tmp_path, *CHANGED) == once
        [entry, *others] = (await config.call("GET", "/api/v1/audit-log"))["items"]
        assert (entry["userEmail"], entry["action"], entry["subjectKind"]) == ("system", "resealed", "workspace")
        assert (entry["changes"], others) == ({}, log)
        renamed = await config.client.patch(path, json={"name": "Later"}, headers={"If-Match": before.headers["etag"]})
        assert renamed.status_code == 200


@asynccontextmanager
async def changing(given: Settings, workspace_id: str) -> AsyncIterator[Database]:
    """A change in this workspace that takes its time."""
    database, table = Database(given.database), schema.workspaces
    try:
        async with database.writing() as connection:
            await connection.execute(select(table).where(table.c.id == workspace_id).with_for_update(key_share=True))
            yield database
    finally:
        await database.close()


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # which tells who waits
async def test_a_change_that_an_author_makes_meanwhile_is_kept(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    path = f"{INTEGRATIONS}/{await publish(plane, META)}"
    workspace = (await plane.call("GET", "/api/v1/me"))["workspace"]["id"]
    given = chosen(tmp_path, broker.address)
    async with serving(given, token=plane.token) as config:
        async with asyncio.TaskGroup() as tasks, changing(given, workspace) as database:
            tasks.create_task(config.call("PATCH", path, {"name": "Meanwhile"}))
            await eventually(lambda: somebody_waits(database))
            tasks.create_task(lines_of(given))  # has read what was there before the change
            await eventually(lambda: somebody_waits(database, 2))
        assert (await config.call("GET", path))["name"] == "Meanwhile"
    assert OLD not in await stored(tmp_path)


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # which tells who waits
async def test_killed_in_the_middle_it_is_done_by_the_next_run(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    await publish(plane, META)
    workspace = (await plane.call("GET", "/api/v1/me"))["workspace"]["id"]
    await become_a_neighbour(plane, tmp_path)
    await publish(plane, META)
    given = chosen(tmp_path, broker.address)
    async with changing(given, max(workspace, NEIGHBOUR)) as database:  # whose turn is the second one
        command = await begin(given)
        try:
            await eventually(lambda: somebody_waits(database))
        finally:
            command.kill()
            killed = await ended(command)
    assert killed.code < 0
    left = await stored(tmp_path)
    assert OLD in left
    assert NEW in left
    async with serving(given, token=plane.token):
        answer = await run(given)
    assert (answer.code, answer.said.splitlines()[0][:6]) == (0, "1 of 2")
    for place in (await stored(tmp_path), await published(broker.address)):
        assert OLD not in place


async def test_it_does_not_end_well_before_everything_is_published(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    await publish(plane, META)
    given = chosen(tmp_path, broker.address)
    with pytest.raises(ResealError, match="records that wait: 4"):
        await reseal(given, lambda _: None, standstill_limit_s=0)
    async with serving(given, token=plane.token):
        assert (await lines_of(given))[0].startswith("0 of 1 ")
    assert OLD not in await published(broker.address)


@pytest.mark.usefixtures("plane")
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)  # which has no part in it
async def test_what_nothing_replaces_on_the_topic_is_named(broker: Process, tmp_path: Path) -> None:
    auth = MetaAuth(app_secrets=(OLD.decode(),), verify_token=OLD.decode())
    left = DraftIntegration(id=NEIGHBOUR, workspace="w", name="x", version=0, auth=auth)
    key, given = definition_key(left), chosen(tmp_path, broker.address)
    await send(broker.address, topics.DEFINITIONS, [Sent(key=key, value=msgspec.json.encode(left))])
    with pytest.raises(ResealError, match=f"nothing stored replaces: 1, such as {key.decode()}"):
        await lines_of(given)
    await send(broker.address, topics.DEFINITIONS, [Sent(key=key, value=None)])
    await lines_of(given)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_config_process_that_seals_with_the_old_key_meanwhile_is_noticed(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    await plane.call("POST", "/api/v1/api-keys", {"name": "Shop"}, status=201)
    with sqlite3.connect(tmp_path / SQLITE_FILE) as connection:
        [(sealed,)] = connection.execute("SELECT sealed_private_key FROM signing_keys")

    def tell(line: str) -> None:
        if line == "1 of 1 sealed":
            with sqlite3.connect(tmp_path / SQLITE_FILE) as connection:
                connection.execute("UPDATE signing_keys SET sealed_private_key = ?", [sealed])

    with pytest.raises(ResealError, match=f"begin with {Sealer(NEW_KEY).first}"):
        await reseal(chosen(tmp_path, broker.address), tell)


async def test_what_cannot_be_done_is_said_in_a_line_and_changes_nothing(
    plane: ControlPlane, broker: Process, tmp_path: Path
) -> None:
    await publish(plane, META)
    before, nowhere = await stored(tmp_path, *CHANGED), f"{LOOPBACK}:{free_port()}"
    answer = await run(chosen(tmp_path, broker.address, NEW_KEY))
    assert answer.code == 1
    assert f"master key {Sealer(MASTER_KEY).first}, which is not in INLET_MASTER_KEY: add it" in answer.said
    assert len(answer.said.splitlines()) == 1
    given = chosen(tmp_path, broker.address)
    for wrong, said in (
        (replace(given, kafka=nowhere), nowhere),
        (replace(given, database=f"postgresql://inlet@{nowhere}/inlet"), "the database does not answer"),
        (replace(given, database=f"sqlite:///{tmp_path / 'empty.db'}"), "no such table"),
    ):
        with pytest.raises(ResealError, match=said) as refused:
            await lines_of(wrong)
        assert len(str(refused.value).splitlines()) == 1
    assert await stored(tmp_path, *CHANGED) == before
