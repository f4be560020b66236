"""The rotation of the keys that sign tokens."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from libs.sealing import Sealer
from services.config.signing_keys import SigningKeys
from services.config.store.database import Database
from services.config.store.scope import Workspaces
from tests.integration.config.control_plane import EMAIL, MASTER_KEY, Clock, ControlPlane, settings
from tests.integration.config.senders import kid_of, log_in, make_key, refresh

SIGNING_KEYS = "/api/v1/signing-keys"


async def test_a_rotation_costs_no_token(timed: ControlPlane, clock: Clock, tmp_path: Path) -> None:
    key = await make_key(timed)
    before = await log_in(timed, key["secret"])
    following = await timed.call("POST", SIGNING_KEYS, status=201)
    assert following["state"] == "next"
    assert kid_of(await log_in(timed, key["secret"])) == kid_of(before)
    jwks = (await timed.call("GET", "/.well-known/jwks.json"))["keys"]
    assert {jwk["kid"] for jwk in jwks} == {kid_of(before), following["id"]}

    # A minute later it would sign, if it were known: nothing has been relayed, for there is no Kafka.
    clock.forward(minutes=1)
    await tended(tmp_path, clock)
    assert kid_of(await log_in(timed, key["secret"])) == kid_of(before)
    await relayed(tmp_path)
    await tended(tmp_path, clock)
    after = await log_in(timed, key["secret"])
    assert kid_of(after) == following["id"]
    await refresh(timed, before)

    clock.forward(minutes=61)
    await tended(tmp_path, clock)
    assert [one["id"] for one in (await timed.call("GET", SIGNING_KEYS))["items"]] == [following["id"]]


async def test_a_key_that_is_old_enough_gets_its_successor(timed: ControlPlane, clock: Clock, tmp_path: Path) -> None:
    await make_key(timed)
    clock.forward(days=29)
    await tended(tmp_path, clock)
    await timed.log_in(EMAIL)
    assert len((await timed.call("GET", SIGNING_KEYS))["items"]) == 1
    clock.forward(days=1)
    await tended(tmp_path, clock)
    await timed.log_in(EMAIL)
    assert [one["state"] for one in (await timed.call("GET", SIGNING_KEYS))["items"]] == ["signing", "next"]


async def test_a_signing_key_that_is_ended_takes_its_tokens_with_it(timed: ControlPlane) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])
    await timed.call("DELETE", f"{SIGNING_KEYS}/{kid_of(token)}", status=204)
    await refresh(timed, token, status=401)
    assert kid_of(await log_in(timed, key["secret"])) != kid_of(token)


async def test_of_two_rotations_within_a_minute_the_last_counts_and_each_key_takes_over_and_retires_once(
    timed: ControlPlane, clock: Clock, tmp_path: Path
) -> None:
    first = kid_of(await log_in(timed, (await make_key(timed))["secret"]))
    skipped, last = [(await timed.call("POST", SIGNING_KEYS, status=201))["id"] for _ in range(2)]
    clock.forward(minutes=1)
    await relayed(tmp_path)
    for _ in range(2):
        await tended(tmp_path, clock)
        clock.forward(seconds=5)
    assert await states(timed) == {first: "verifying", skipped: "verifying", last: "signing"}
    assert await steps(timed) == {(first, "retired"), (skipped, "retired"), (last, "took over")}


async def test_a_key_that_is_older_than_the_one_that_takes_over_at_once_never_does(
    timed: ControlPlane, clock: Clock, tmp_path: Path
) -> None:
    first = kid_of(await log_in(timed, (await make_key(timed))["secret"]))
    skipped, last = [(await timed.call("POST", SIGNING_KEYS, status=201))["id"] for _ in range(2)]
    await timed.call("DELETE", f"{SIGNING_KEYS}/{first}", status=204)
    clock.forward(minutes=1)
    await relayed(tmp_path)
    await tended(tmp_path, clock)
    assert await states(timed) == {skipped: "verifying", last: "signing"}
    assert await steps(timed) == {(skipped, "retired"), (last, "took over")}


async def states(plane: ControlPlane) -> dict[str, str]:
    return {one["id"]: one["state"] for one in (await plane.call("GET", SIGNING_KEYS))["items"]}


async def steps(plane: ControlPlane) -> set[tuple[str, str]]:
    """The steps of the rotation in the audit log, each of which is there once."""
    entries = (await plane.call("GET", "/api/v1/audit-log"))["items"]
    found = [(one["subjectId"], one["action"]) for one in entries if one["action"] in {"retired", "took over"}]
    assert len(set(found)) == len(found)
    return set(found)


async def tended(folder: Path, clock: Clock) -> None:
    """Take the steps of the rotation that are due now."""
    database = Database(settings(folder).database)
    workspaces = Workspaces(database, clock)
    keys = SigningKeys(workspaces, Sealer(MASTER_KEY), tokens_live=timedelta(minutes=60), rotation=timedelta(days=30))
    for workspace_id in await workspaces.ids():
        await keys.tend(workspace_id)
    await database.close()


async def relayed(folder: Path) -> None:
    """What a relay would do to the outbox."""
    database = Database(settings(folder).database)
    async with database.writing() as connection:
        await connection.execute(text("DELETE FROM outbox"))
    await database.close()
