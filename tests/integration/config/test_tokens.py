import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from sqlalchemy import text

from libs.sealing import Sealer
from services.config.signing_keys import SigningKeys
from services.config.store.database import Database
from services.config.store.scope import Workspaces
from tests.integration.config.control_plane import EMAIL, MASTER_KEY, ControlPlane, serving, settings

LOGIN = "/uauth/v2/auth/login/profile"
REFRESH = "/uauth/v2/auth/refresh/profile"
KEYS = "/api/v1/api-keys"
SIGNING_KEYS = "/api/v1/signing-keys"


class Clock:
    """The time of a control plane, moved by its test."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def timed(tmp_path: Path, clock: Clock) -> AsyncIterator[ControlPlane]:
    async with serving(settings(tmp_path), clock) as plane:
        yield plane


async def make_key(plane: ControlPlane, **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = await plane.call("POST", KEYS, {"name": "Shop", **fields}, status=201)
    return made


async def log_in(plane: ControlPlane, secret: str, *, status: int = 200) -> str:
    answer = await plane.call("POST", LOGIN, {"apiKey": secret}, status=status)
    return str(answer.get("token", ""))


async def refresh(plane: ControlPlane, token: str, *, status: int = 200) -> str:
    response = await plane.client.get(REFRESH, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == status, response.text
    return str(response.json().get("token", ""))


async def until_refused(send: Callable[[], Awaitable[httpx.Response]]) -> tuple[int, httpx.Response]:
    """Send until that is refused: how often it was not, and the refusal."""
    for count in range(500):
        response = await send()
        if response.status_code != 200:
            return count, response
    raise AssertionError("it is never refused")


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_a_token_is_signed_with_rs512_by_a_published_key_and_lives_an_hour(
    timed: ControlPlane, clock: Clock
) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])
    [jwk] = (await timed.call("GET", "/.well-known/jwks.json"))["keys"]

    claims = jwt.decode(token, jwt.PyJWK(jwk).key, algorithms=["RS512"], issuer="inlet", options={"verify_iat": False})

    assert jwt.get_unverified_header(token) == {"alg": "RS512", "typ": "JWT", "kid": jwk["kid"]}
    assert claims["sub"] == key["id"]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["iat"] == int(clock.now.timestamp())
    assert set(jwk) == {"kty", "use", "alg", "kid", "n", "e"}


async def test_the_secret_of_a_key_is_shown_once_and_stored_as_a_hash(timed: ControlPlane, tmp_path: Path) -> None:
    key = await make_key(timed)
    answers = [await timed.call("GET", f"{KEYS}/{key['id']}"), await timed.call("GET", KEYS)]

    assert key["secret"].startswith(key["prefix"])
    assert all(key["secret"] not in json.dumps(answer) for answer in answers)
    assert key["secret"].encode() not in stored(tmp_path)


@pytest.mark.parametrize("secret", ["x", "inlet_" + "A" * 43, "ä"])
async def test_a_bad_key_is_answered_401(timed: ControlPlane, secret: str) -> None:
    await make_key(timed)
    await log_in(timed, secret, status=401)


async def test_a_revoked_key_makes_and_renews_no_token(timed: ControlPlane) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])
    await timed.call("DELETE", f"{KEYS}/{key['id']}", status=204)
    await log_in(timed, key["secret"], status=401)
    await refresh(timed, token, status=401)
    assert (await timed.call("GET", f"{KEYS}/{key['id']}"))["state"] == "revoked"
    await timed.call("PATCH", f"{KEYS}/{key['id']}", {"expiresAt": None}, status=409)


async def test_an_expired_key_makes_no_token(timed: ControlPlane, clock: Clock) -> None:
    key = await make_key(timed, expiresAt=(clock.now + timedelta(minutes=5)).isoformat())
    token = await log_in(timed, key["secret"])
    clock.forward(minutes=5)
    await log_in(timed, key["secret"], status=401)
    await refresh(timed, token, status=401)


async def test_a_key_is_good_only_from_its_networks(timed: ControlPlane) -> None:
    here = await make_key(timed, allowedIps=["127.0.0.0/8"])
    elsewhere = await make_key(timed, allowedIps=["203.0.113.7", "2001:db8::/32"])
    assert elsewhere["allowedIps"] == ["203.0.113.7/32", "2001:db8::/32"]
    await log_in(timed, here["secret"])
    await log_in(timed, elsewhere["secret"], status=401)


async def test_a_network_of_mapped_addresses_is_stored_as_the_one_of_ipv4_that_it_stands_for(
    timed: ControlPlane,
) -> None:
    key = await make_key(timed, allowedIps=["::ffff:127.0.0.0/104", "127.0.0.0/8", "::ffff:10.0.0.1"])
    assert key["allowedIps"] == ["127.0.0.0/8", "10.0.0.1/32"]
    await log_in(timed, key["secret"])


async def test_a_token_is_renewed_while_it_is_valid_and_no_longer(timed: ControlPlane, clock: Clock) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])
    clock.forward(minutes=59, seconds=59)
    renewed = await refresh(timed, token)
    clock.forward(seconds=1)
    await refresh(timed, token, status=401)
    await refresh(timed, renewed)


async def test_what_is_no_token_of_ours_is_not_renewed(timed: ControlPlane) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])
    head, claims, signature = token.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid_of(token)}).encode()).decode().rstrip("=")
    for bad in ("", "a.b.c", f"{none}.{claims}.", f"{head}.{claims}.{signature[:-8]}AAAAAAAA", key["secret"]):
        await refresh(timed, bad, status=401)
    answer = await timed.client.get(REFRESH, headers={"authorization": "Bearer a.b.c"})
    assert answer.json()["message"].startswith("The token is not valid")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": ""}, "name"),
        ({"permissions": ["EVERYTHING"]}, "permissions[0]"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2999-01-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-23:00"}, "expiresAt"),
        ({"expiresAt": "0001-01-01T00:00:00+23:00"}, "expiresAt"),
        ({"allowedIps": ["10.0.0.1/8"]}, "allowedIps[0]"),
        ({"allowedIps": ["::ffff:10.0.0.1/104"]}, "allowedIps[0]"),
        ({"allowedIps": ["10.0.0.0/8", "nowhere"]}, "allowedIps[1]"),
        ({"allowedIps": ["10.0.0.1"] * 101}, "allowedIps"),
    ],
)
async def test_what_is_no_key_is_refused_and_located(
    timed: ControlPlane, fields: dict[str, object], fault: str
) -> None:
    answer = await timed.call("POST", KEYS, {"name": "Shop", **fields}, status=400)
    assert [one["field"] for one in answer["errors"]] == [fault]


async def test_logging_in_too_often_with_one_key_is_answered_429_and_when_to_come_back(timed: ControlPlane) -> None:
    key = await make_key(timed)
    count, response = await until_refused(lambda: timed.client.post(LOGIN, json={"apiKey": key["secret"]}))
    assert count >= 30
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    await log_in(timed, (await make_key(timed))["secret"])


async def test_refreshing_too_often_is_answered_429_although_every_token_is_another(timed: ControlPlane) -> None:
    key = await make_key(timed)
    token = await log_in(timed, key["secret"])

    async def renew() -> httpx.Response:
        nonlocal token
        response = await timed.client.get(REFRESH, headers={"authorization": f"Bearer {token}"})
        token = response.json().get("token", "")
        return response

    _, response = await until_refused(renew)
    assert response.status_code == 429
    await log_in(timed, (await make_key(timed))["secret"])


async def test_what_needs_a_revoked_key_cannot_go_live(timed: ControlPlane) -> None:
    key = await make_key(timed)
    auth = {"kind": "jwt", "apiKeyId": key["id"]}
    path = f"/api/v1/integrations/{await timed.create_integration(auth=auth)}"
    await timed.call("DELETE", f"{KEYS}/{key['id']}", status=204)
    answer = await timed.call("POST", f"{path}/publish", status=400)
    assert [one["field"] for one in answer["errors"]] == ["auth.apiKeyId"]
    assert (await timed.call("GET", path))["state"] == "draft"


async def test_guessing_keys_from_one_address_is_answered_429(timed: ControlPlane) -> None:
    statuses = [(await timed.client.post(LOGIN, json={"apiKey": f"guess {i}"})).status_code for i in range(60)]
    assert statuses[:50] == [401] * 50
    assert statuses[-1] == 429


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


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("inlet.db*"))


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
