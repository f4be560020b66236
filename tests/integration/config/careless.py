"""Somebody who puts secrets everywhere: where they belong, beside it, and into requests that are refused."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import httpx

from tests.integration.config.misplaced import (
    INTEGRATIONS,
    KEYS,
    LOGIN,
    REFRESH,
    SESSION,
    USERS,
    WRONG,
    integration,
    meta,
)
from tests.secrecy import Secret


class Careless:
    """Makes requests to a config service and keeps its answers, without what an answer may show once.

    `shown` are the secrets that were made; `name`, which is no secret, goes with all that is stored.
    """

    def __init__(self, client: httpx.AsyncClient, name: str, email: str) -> None:
        self.answers: list[bytes] = []
        self.shown: list[str] = []
        self.token = ""
        self.user = ""
        self._client = client
        self._name = name
        self._email = email
        self._requests = 0

    async def send(
        self, method: str, path: str, body: object = None, *, reveals: str = "", **headers: str
    ) -> dict[str, Any]:
        """The answer; `reveals` names the field that may show, this once, a secret that was made."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._requests += 1  # from everywhere, so that no limit on guessing is reached
        where = f"198.18.{self._requests // 250 % 250}.{self._requests % 250}"
        fixed = {"content-type": "application/json", "x-forwarded-for": where}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self._client.request(method, path, content=content, headers=fixed | named)
        seen = b"\n".join([*(value for _, value in response.headers.raw), response.content])
        is_json = response.headers.get("content-type", "").startswith("application/json")
        answer: dict[str, Any] = response.json() if is_json and response.content else {}
        if reveals in answer:
            self.shown.append(answer[reveals])
            assert response.content.count(answer[reveals].encode()) == 1
            seen = seen.replace(answer[reveals].encode(), b"")
        self.answers.append(seen)
        return answer

    async def signed_in(self, method: str, path: str, body: object = None, **more: str) -> dict[str, Any]:
        """As `send`, in the session of the administrator."""
        return await self.send(method, path, body, **({"authorization": f"Bearer {self.token}"} | more))

    async def sign_in(self, password: str) -> None:
        answer = await self.send("POST", SESSION, {"email": self._email, "password": password}, reveals="token")
        self.token = str(answer["token"])

    async def wrong(self, case: str, secret: Secret) -> None:
        method, path, body = WRONG[case]
        answer = await self.signed_in(method, path, body(secret))
        assert answer["status"] in {400, 401, 404}, (case, answer)

    async def create(self, secret: Secret) -> str:
        """The path of a new integration for Meta."""
        body = integration(meta(secret), name=self._name, icon="bell")
        return f"{INTEGRATIONS}/{(await self.signed_in('POST', INTEGRATIONS, body))['id']}"

    async def create_publish_and_rotate(self, secret: Secret) -> None:
        path = await self.create(secret)
        await self.signed_in("POST", f"{path}/publish")
        rotated = {"auth": {"kind": "meta", "appSecret": f"new {secret.text}", "keepPreviousAppSecret": True}}
        await self.signed_in("PATCH", path, rotated)
        await self.signed_in("PATCH", path, {"auth": {"kind": "meta", "verifyToken": f"newer {secret.text}"}})
        await self.signed_in("POST", f"{path}/publish")
        await self.signed_in("PATCH", path, {"auth": {"kind": "none"}})
        await self.signed_in("POST", f"{path}/discard-draft")
        await self.signed_in("PATCH", path, {"auth": meta(secret), "name": ""})
        await self.signed_in("GET", path)
        await self.signed_in("DELETE", path)

    async def change_what_is_outdated(self, secret: Secret) -> None:
        path = await self.create(secret)
        for tag in ('"99"', secret.plain):
            answer = await self.signed_in("PATCH", path, {"auth": meta(secret)}, if_match=tag)
            assert answer["status"] in {400, 412}

    async def change_what_another_has_changed(self, secret: Secret) -> None:
        path = await self.create(secret)
        await self.make_user(secret)
        other = await self.send("POST", SESSION, {"email": self.user, "password": secret.text}, reveals="token")
        by_other = {"authorization": f"Bearer {other['token']}", "if_match": "*"}
        await self.send("PATCH", path, {"icon": "bell 2"}, **by_other)
        assert (await self.signed_in("PATCH", path, {"auth": meta(secret)}))["status"] == 428

    async def make_user(self, secret: Secret) -> str:
        """The path of a new user with this password."""
        self.user = f"user-{secret.marks[0][:6]}-{self._requests}@example.com"
        made = {"email": self.user, "password": secret.text, "role": "author"}
        answer = await self.signed_in("POST", USERS, made)
        assert (await self.signed_in("POST", USERS, made))["status"] == 400  # taken
        return f"{USERS}/{answer['id']}"

    async def use_passwords(self, secret: Secret) -> None:
        path = await self.make_user(secret)
        login = {"email": self.user, "password": secret.text}
        opened = await self.send("POST", SESSION, login, reveals="token")
        by_user = {"authorization": f"Bearer {opened['token']}"}
        await self.send("POST", SESSION, login | {"password": f"wrong {secret.text}"})
        await self.send("GET", "/api/v1/me", **by_user)
        own = {"currentPassword": secret.text, "password": f"own {secret.text}"}
        await self.send("PATCH", "/api/v1/me", own, **by_user)
        await self.send("GET", "/api/v1/me", **by_user)  # its session has ended
        await self.signed_in("PATCH", path, {"password": f"given {secret.text}", "role": "viewer"})
        again = await self.send("POST", SESSION, login | {"password": f"given {secret.text}"}, reveals="token")
        await self.send("DELETE", SESSION, cookie=f"inlet_session={again['token']}")
        await self.signed_in("DELETE", path)
        await self.signed_in("POST", USERS, {"email": self.user, "role": "viewer"}, reveals="password")

    async def use_keys(self, secret: Secret) -> None:
        made = await self.signed_in("POST", KEYS, {"name": self._name}, reveals="secret")
        path, key = f"{KEYS}/{made['id']}", made["secret"]
        token = (await self.send("POST", LOGIN, {"apiKey": key}, reveals="token"))["token"]
        await self.send("GET", REFRESH, authorization=f"Bearer {token}", reveals="token")
        await self.send("POST", LOGIN, {"apiKey": f"{key}{secret.text}"})
        await self.send("POST", LOGIN, {"apiKey": key, "more": key})
        await self.send("GET", REFRESH, authorization=f"Bearer {key}")
        await self.send("GET", "/api/v1/me", authorization=f"Bearer {token}")
        await self.signed_in("PATCH", path, {"name": self._name, "permissions": [key]})
        await self.signed_in("GET", path)
        await self.signed_in("DELETE", path)
        await self.send("POST", LOGIN, {"apiKey": key})

    async def put_it_into_addresses(self, secret: Secret) -> None:
        it = quote(secret.text, safe="")
        for path in (
            f"{INTEGRATIONS}?appSecret={it}",
            f"{INTEGRATIONS}?limit={it}&cursor={it}",
            f"{INTEGRATIONS}/{it}",
            f"/api/v1/business-events?integrationId={it}",
            f"/api/v1/audit-log?subjectKind={it}&subjectId={it}",
            f"{LOGIN}?apiKey={it}",
            f"/api/v1/{it}",
            f"/{it}",
            f"/schema/{it}",
        ):
            await self.signed_in("GET", path)
            await self.send("DELETE", path)

    async def put_it_into_headers(self, secret: Secret) -> None:
        it = secret.plain
        for headers in (
            {"authorization": f"Bearer {it}"},
            {"authorization": f"Basic {it}"},
            {"authorization": it},
            {"cookie": f"inlet_session={it}"},
            {"x_api_key": it},
            {"content_type": it},
            {"x_request_id": it, "referer": f"https://example.com/?token={it}"},
        ):
            for method, path in (("GET", "/api/v1/me"), ("GET", REFRESH), ("POST", LOGIN), ("GET", "/nowhere")):
                await self.send(method, path, {}, **headers)

    async def send_it_as_no_json(self, secret: Secret) -> None:
        form = f"appSecret={quote(secret.text, safe='')}".encode()
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = await self.signed_in("POST", INTEGRATIONS, form, content_type=content_type)
            assert answer["status"] == 415

    async def look_around(self) -> None:
        """Read every list to its end."""
        for path in (INTEGRATIONS, USERS, KEYS, "/api/v1/audit-log", "/api/v1/business-events"):
            cursor: str | None = ""
            while cursor is not None:
                page = await self.signed_in("GET", f"{path}?limit=100{cursor}")
                cursor = f"&cursor={page['nextCursor']}" if page["nextCursor"] else None


Operation = Callable[[Careless, Secret], Awaitable[None]]


def _wrong(case: str) -> Operation:
    return lambda careless, secret: careless.wrong(case, secret)


OPERATIONS: Final[dict[str, Operation]] = {
    "create, publish and rotate": Careless.create_publish_and_rotate,
    "change what is outdated": Careless.change_what_is_outdated,
    "change what another has changed": Careless.change_what_another_has_changed,
    "use passwords": Careless.use_passwords,
    "use keys": Careless.use_keys,
    "put it into addresses": Careless.put_it_into_addresses,
    "put it into headers": Careless.put_it_into_headers,
    "send it as no JSON": Careless.send_it_as_no_json,
    **{case: _wrong(case) for case in WRONG},
}
