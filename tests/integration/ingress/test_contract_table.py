"""Every row of the table of answers that senders are promised, on the wire."""

import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from libs.messages import (
    ApiKey,
    Auth,
    Deduplication,
    DraftIntegration,
    Integration,
    JwtAuth,
    MetaAuth,
    NoAuth,
    RateLimit,
    SigningKey,
    app_secret_place,
    verify_token_place,
)
from libs.sealing import Sealer
from tests.eventually import eventually
from tests.integration.ingress.serving import MASTER_KEY, Ingress, path_of, serving

JSON = {"content-type": "application/json"}
NOT_FOUND = "The requested resource could not be found but may be available again in the future."
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class World(NamedTuple):
    """What is defined, and the credentials that go with it."""

    ingress: Ingress
    key_id: str
    kid: str

    async def define(self, auth: Auth, *, limit: RateLimit | None = None, rules: Deduplication | None = None) -> str:
        """Publish an integration; its id, once the ingress knows it."""
        return await self.define_as(str(uuid4()), auth, limit=limit, rules=rules)

    async def define_as(
        self, name: str, auth: Auth, *, limit: RateLimit | None = None, rules: Deduplication | None = None
    ) -> str:
        await self.ingress.define(
            Integration(id=name, workspace="w", name="n", version=1, auth=auth, deduplication=rules, rate_limit=limit)
        )

        async def known() -> bool:
            return (await self.ingress.http.put(path_of(name))).status_code == 405

        await eventually(known)
        return name

    def token(self, **changes: object) -> str:
        now = int(time.time())
        claims = {"iss": "inlet", "sub": self.key_id, "iat": now, "exp": now + 60, "jti": "1", **changes}
        encoded = jwt.encode(claims, PRIVATE, "RS512", headers={"kid": self.kid})
        return f"Bearer {encoded}"

    async def post(self, name: str, content: bytes = b"{}", **headers: str) -> tuple[int, str]:
        named = JSON | {header.replace("_", "-"): value for header, value in headers.items()}
        answer = await self.ingress.http.post(path_of(name), content=content, headers=named)
        return answer.status_code, answer.text


@pytest.fixture
async def world(ingress: Ingress) -> World:
    return await world_of(ingress)


async def world_of(ingress: Ingress, *allowed_ips: str) -> World:
    made = World(ingress, str(uuid4()), str(uuid4()))
    key = ApiKey(id=made.key_id, workspace="w", permissions=("INCOMING_WEBHOOK_EXECUTE",), allowed_ips=allowed_ips)
    signing_key = SigningKey(id=made.kid, workspace="w", public_key=PUBLIC.decode())
    for definition in (signing_key, key):
        await ingress.define(definition)
    return made


def meta(name: str) -> MetaAuth:
    sealer = Sealer(MASTER_KEY)
    return MetaAuth(
        app_secrets=tuple(sealer.seal(secret, app_secret_place(name)) for secret in (b"new", b"old")),
        verify_token=sealer.seal(b"verify", verify_token_place(name)),
    )


def signature(raw: bytes, secret: bytes = b"new") -> str:
    return "sha256=" + hmac.new(secret, raw, hashlib.sha256).hexdigest()


async def test_what_comes_before_authentication(world: World) -> None:
    name = await world.define(JwtAuth(api_key_id=world.key_id))
    assert await world.post(str(uuid4())) == (404, NOT_FOUND)
    put = await world.ingress.http.put(path_of(name))
    assert (put.status_code, put.headers["allow"]) == (405, "POST")
    assert (await world.post(name, content_type="text/plain"))[0] == 415
    assert (await world.post(name, content_encoding="gzip"))[0] == 415
    assert (await world.post(name, b" " * (3 * 1024 * 1024 + 1)))[0] == 413
    assert (await world.post(name, b"?"))[0] == 401  # and not 400: who may not send is told nothing about the body


async def test_tokens(world: World) -> None:
    name = await world.define(JwtAuth(api_key_id=world.key_id))
    status, text = await world.post(name)
    assert status == 401
    assert re.fullmatch(
        r"""\{"status":401,"error":"Missing 'Authorization' header or 'access_token' cookie","message":"","""
        r""""timestamp":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"\}""",
        text,
    )
    assert (await world.post(name, authorization="Bearer x"))[0] == 401
    assert "Expired token" in (await world.post(name, authorization=world.token(exp=int(time.time()) - 1)))[1]
    status, text = await world.post(name, authorization=world.token(sub=str(uuid4())))
    assert status == 403
    assert re.fullmatch(r'\{"status":403,"error":"Forbidden","message":"","timestamp":"[-: \d]{19}Z"\}', text)
    assert await world.post(name, authorization=world.token()) == (200, "OK")
    cookie = world.token().removeprefix("Bearer ")
    assert await world.post(name, cookie=f"access_token={cookie}") == (200, "OK")
    status, text = await world.post(name, b"[]", authorization=world.token())
    assert status == 400
    assert re.fullmatch(
        r'\{"error":"Bad Request","message":"Error while deserializing input","status":400,'
        r'"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"\}',
        text,
    )


async def test_signatures_and_the_handshake(world: World) -> None:
    name = str(uuid4())
    await world.define_as(name, meta(name), rules=Deduplication(parameters=("body.id",)))
    put = await world.ingress.http.put(path_of(name))
    assert put.headers["allow"] == "GET, POST"
    raw = '{ "id": "ä", "entry": [] }'.encode()
    assert (await world.post(name, raw))[0] == 401
    assert (await world.post(name, raw, x_hub_signature_256=signature(raw + b" ")))[0] == 401
    assert await world.post(name, raw, x_hub_signature_256=signature(raw)) == (200, "OK")
    assert await world.post(name, raw, x_hub_signature_256=signature(raw, b"old")) == (200, "OK")  # a duplicate
    assert len(await world.ingress.requests(name)) == 1
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify", "hub.challenge": "<1158201444>"}
    good = await world.ingress.http.get(path_of(name), params=query)
    assert (good.status_code, good.text, good.headers["x-content-type-options"]) == (200, "<1158201444>", "nosniff")
    bad = await world.ingress.http.get(path_of(name), params=query | {"hub.verify_token": "?"})
    assert (bad.status_code, bad.json()["error"]) == (403, "Forbidden")


async def test_a_draft_of_meta_shakes_hands_and_takes_nothing(world: World) -> None:
    name = str(uuid4())
    await world.ingress.define(DraftIntegration(id=name, workspace="w", name="n", version=0, auth=meta(name)))
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify", "hub.challenge": "1"}

    async def shakes_hands() -> bool:
        return (await world.ingress.http.get(path_of(name), params=query)).status_code == 200

    await eventually(shakes_hands)
    assert await world.post(name, x_hub_signature_256=signature(b"{}")) == (404, NOT_FOUND)


async def test_the_rate_limit(world: World) -> None:
    name = await world.define(NoAuth(), limit=RateLimit(per_second=0.1, burst=2))
    assert [(await world.post(name))[0] for _ in range(3)] == [200, 200, 429]
    limited = await world.ingress.http.post(path_of(name), content=b"?", headers=JSON)
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["retry-after"]) <= 10


async def test_duplicates_and_acceptance(world: World) -> None:
    name = await world.define(NoAuth(), rules=Deduplication(parameters=("body.id",)))
    first = await world.ingress.http.post(path_of(name), content=b'{"id":1}', headers=JSON)
    assert (first.status_code, first.text, first.headers["content-type"]) == (200, "OK", "text/plain")
    [record] = await world.ingress.requests(name)
    assert dict(record.headers)["inlet-event-id"].decode() == first.headers["x-request-id"]
    assert await world.post(name, b'{"id":1.0}') == (204, "")


async def test_where_a_sender_is_says_only_a_proxy_that_is_trusted(
    ingress: Ingress, redis_url: str, tmp_path: Path
) -> None:
    for trusted, status in (("", 403), ("192.0.2.1", 403), ("127.0.0.0/8", 200)):
        settings = {"INLET_TRUSTED_PROXIES": trusted} if trusted else {}
        async with serving(ingress.kafka, redis_url, tmp_path, settings=settings) as behind:
            world = await world_of(behind, "203.0.113.0/24")
            name = await world.define(JwtAuth(api_key_id=world.key_id))
            told = "198.51.100.1, 203.0.113.9"
            assert (await world.post(name, authorization=world.token(), x_forwarded_for=told))[0] == status
            lied = "203.0.113.9, 198.51.100.1"
            assert (await world.post(name, authorization=world.token(), x_forwarded_for=lied))[0] == 403
