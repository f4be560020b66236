"""Logging in and out, as somebody would attack it: fixed sessions, races, enumeration, guessing from many addresses."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from sqlalchemy import func, select

from services.config.store.database import Database
from services.config.store.schema import sessions
from tests.eventually import eventually
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, serving, settings

SESSION = "/api/v1/session"
TOKEN = "/uauth/v2/auth/login/profile"
LOGIN = {"email": EMAIL, "password": PASSWORD}
OTHER = "other@example.com"
NEW_PASSWORD = "another long password"


class Held:
    """Checks of passwords that wait, with their answer found, until they are let go."""

    def __init__(self) -> None:
        self.waiting = 0
        self._go = threading.Event()

    def wait(self) -> None:
        self.waiting += 1
        self._go.wait(10)

    def let_go(self) -> None:
        self._go.set()


@contextmanager
def holding_checks() -> Iterator[Held]:
    held, verify = Held(), PasswordHasher.verify

    def verify_and_wait(hasher: PasswordHasher, hashed: str | bytes, password: str | bytes) -> bool:
        verify(hasher, hashed, password)
        held.wait()
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHasher, "verify", verify_and_wait)
        try:
            yield held
        finally:
            held.let_go()


async def until_held(held: Held, count: int) -> None:
    async def is_so() -> bool:
        return held.waiting >= count

    await eventually(is_so)


@pytest_asyncio.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[tuple[ControlPlane, ControlPlane]]:
    """Two on one database, with a user who is logged in at the second."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(serving(settings(tmp_path))) for _ in range(2)]
        await make_user(first)
        await second.log_in(OTHER)
        yield first, second


async def make_user(plane: ControlPlane) -> str:
    """The path of a new user."""
    user = {"email": OTHER, "password": PASSWORD, "role": "author"}
    return f"/api/v1/users/{(await plane.call('POST', '/api/v1/users', user, status=201))['id']}"


async def path_of_user(plane: ControlPlane) -> str:
    users = (await plane.call("GET", "/api/v1/users"))["items"]
    return next(f"/api/v1/users/{user['id']}" for user in users if user["email"] == OTHER)


@asynccontextmanager
async def at(address: str, plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the plane that comes from this address."""
    transport = httpx.ASGITransport(app=cast("Any", plane.app), client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://config") as client:
        yield client


async def test_every_login_opens_a_session_of_its_own_and_never_one_that_was_brought_along(plane: ControlPlane) -> None:
    del plane.client.headers["authorization"]
    planted = "a-token-of-the-attackers-choice"
    tokens = []
    for _ in range(2):
        plane.client.cookies.set("inlet_session", planted)
        tokens.append((await plane.call("POST", SESSION, LOGIN, status=201))["token"])
        plane.client.cookies.clear()
    assert len({planted, *tokens}) == 3
    for token, status in ((planted, 401), (tokens[0], 200), (tokens[1], 200)):
        plane.client.headers["authorization"] = f"Bearer {token}"
        await plane.call("GET", "/api/v1/me", status=status)


async def test_logging_out_ends_the_session_at_every_replica_at_once(
    replicas: tuple[ControlPlane, ControlPlane],
) -> None:
    first, second = replicas
    first.client.headers["authorization"] = second.client.headers["authorization"]
    await second.call("GET", "/api/v1/me")
    await first.call("DELETE", SESSION, status=204)
    for replica in replicas:
        await replica.call("GET", "/api/v1/me", status=401)


async def test_a_new_password_ends_all_sessions_of_the_user_at_every_replica_at_once(
    replicas: tuple[ControlPlane, ControlPlane],
) -> None:
    first, second = replicas
    await first.call("PATCH", await path_of_user(first), {"password": NEW_PASSWORD})
    await second.call("GET", "/api/v1/me", status=401)
    await second.call("POST", SESSION, {"email": OTHER, "password": PASSWORD}, status=401)
    await first.call("GET", "/api/v1/me")


async def test_a_permission_that_is_withdrawn_is_missing_with_the_next_request_at_every_replica(
    replicas: tuple[ControlPlane, ControlPlane],
) -> None:
    first, second = replicas
    await second.call("GET", "/api/v1/integrations")
    await first.call("PATCH", await path_of_user(first), {"permissions": ["AUTOMATION_ACCESS"]})
    await second.call("GET", "/api/v1/integrations", status=403)
    await first.call("PATCH", await path_of_user(first), {"permissions": []})
    await second.call("GET", "/api/v1/integrations", status=403)


async def test_a_user_that_is_deleted_is_nobody_with_the_next_request_at_every_replica(
    replicas: tuple[ControlPlane, ControlPlane],
) -> None:
    first, second = replicas
    await first.call("DELETE", await path_of_user(first), status=204)
    await second.call("GET", "/api/v1/me", status=401)


@pytest.mark.parametrize("ending", ["a new password", "the end of the user"])
async def test_a_login_that_is_overtaken_by_what_ends_all_sessions_opens_none(
    plane: ControlPlane, tmp_path: Path, ending: str
) -> None:
    path = await make_user(plane)
    before = await count_sessions(tmp_path)
    with holding_checks() as held:
        login = asyncio.create_task(plane.client.post(SESSION, json={"email": OTHER, "password": PASSWORD}))
        await until_held(held, 1)
        if ending == "a new password":
            await plane.call("PATCH", path, {"password": NEW_PASSWORD})
        else:
            await plane.call("DELETE", path, status=204)
        held.let_go()
        assert (await login).status_code == 401
    assert await count_sessions(tmp_path) == before


async def test_of_two_who_change_a_password_with_the_same_old_one_the_second_is_refused(plane: ControlPlane) -> None:
    with holding_checks() as held:
        changes = [
            asyncio.create_task(plane.client.patch("/api/v1/me", json={"currentPassword": PASSWORD, "password": one}))
            for one in ("the owner's new one", "the thief's new one")
        ]
        await until_held(held, 2)
        held.let_go()
        assert sorted([(await change).status_code for change in changes]) == [204, 400]


async def test_sessions_that_have_expired_are_deleted_with_the_next_login(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with serving(settings(tmp_path), lambda: now) as plane:
        for _ in range(3):
            await plane.log_in(EMAIL)
        assert await count_sessions(tmp_path) == 4
        now += timedelta(hours=12)
        await plane.log_in(EMAIL)
        assert await count_sessions(tmp_path) == 1


async def count_sessions(folder: Path) -> int:
    database = Database(settings(folder).database)
    try:
        async with database.reading() as connection:
            return int(await connection.scalar(select(func.count()).select_from(sessions)) or 0)
    finally:
        await database.close()


async def test_an_unknown_address_costs_as_much_and_is_answered_as_a_wrong_password(plane: ControlPlane) -> None:
    checked: list[str] = []
    verify = PasswordHasher.verify

    def verify_and_note(hasher: PasswordHasher, hashed: str | bytes, password: str | bytes) -> bool:
        checked.append(str(hashed).rpartition("$")[0].rpartition("$")[0])  # without salt and digest
        return verify(hasher, hashed, password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHasher, "verify", verify_and_note)
        answers = [
            await plane.client.post(SESSION, json={"email": email, "password": "wrong"})
            for email in (EMAIL, "unknown@example.com")
        ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content
    assert len(checked) == 2
    assert checked[0] == checked[1]
    assert checked[0].startswith("$argon2id$v=19$m=")


async def test_no_key_a_wrong_one_and_one_that_is_no_longer_good_are_answered_the_same(plane: ControlPlane) -> None:
    good, revoked, elsewhere = [
        await plane.call("POST", "/api/v1/api-keys", {"name": "Shop", **fields}, status=201)
        for fields in ({}, {}, {"allowedIps": ["203.0.113.7"]})
    ]
    await plane.call("DELETE", f"/api/v1/api-keys/{revoked['id']}", status=204)
    secret = good["secret"]
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    await plane.call("POST", TOKEN, {"apiKey": secret})
    given = ["unknown", wrong, secret[:14], revoked["secret"], elsewhere["secret"]]
    answers = [await plane.client.post(TOKEN, json={"apiKey": one}) for one in given]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        (SESSION, lambda number: {"email": f"{number}@example.com", "password": "wrong"}),
        (TOKEN, lambda number: {"apiKey": f"guess {number}"}),
    ],
)
async def test_all_addresses_of_an_ipv6_network_together_have_the_attempts_of_one(
    plane: ControlPlane,
    path: str,
    guess: Any,  # noqa: ANN401  a function of a number
) -> None:
    async def status_from(number: int) -> int:
        async with at(f"2001:db8:1:2::{number:x}", plane) as client:
            return (await client.post(path, json=guess(number))).status_code

    statuses = await asyncio.gather(*(status_from(number) for number in range(60)))
    assert statuses.count(401) in range(50, 56)
    assert statuses.count(429) == 60 - statuses.count(401)
    for elsewhere in ("2001:db8:1:3::1", "192.0.2.1"):
        async with at(elsewhere, plane) as client:
            assert (await client.post(path, json=guess(99))).status_code == 401


async def test_an_ipv4_address_is_the_same_in_ipv6(plane: ControlPlane) -> None:
    statuses = []
    for number in range(55):
        async with at("192.0.2.7" if number % 2 else "::ffff:192.0.2.7", plane) as client:
            statuses.append((await client.post(TOKEN, json={"apiKey": f"guess {number}"})).status_code)
    assert statuses[-1] == 429
