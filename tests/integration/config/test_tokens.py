import base64
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from tests.integration.config.control_plane import Clock, ControlPlane
from tests.integration.config.senders import KEYS, LOGIN, REFRESH, kid_of, log_in, make_key, refresh


async def until_refused(send: Callable[[], Awaitable[httpx.Response]]) -> tuple[int, httpx.Response]:
    """Send until that is refused: how often it was not, and the refusal."""
    for count in range(500):
        response = await send()
        if response.status_code != 200:
            return count, response
    raise AssertionError("it is never refused")


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


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("inlet.db*"))
