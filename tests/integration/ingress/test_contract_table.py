"""The table of answers in ``docs/sending.md``, row by row, and that the rows are checked in their order."""

import re
from collections.abc import Iterable
from pathlib import Path
from time import time
from uuid import uuid4

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from deploy.local.ports import LOOPBACK, free_port
from libs import topics
from libs.messages import Deduplication, Integration, JwtAuth, RateLimit
from tests.integration.ingress.serving import Ingress, an_integration, path_of, serving
from tests.integration.ingress.wire import Reply, wire_to
from tests.unit.ingress.credentials import api_key, meta_auth, signature, signing_key, token

BY_ID = Deduplication(parameters=("body.id",))
LIMIT_BYTES = 3 * 1024 * 1024
SECRET = "s"
SECONDS = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"


def denied(status: int, error: str) -> str:
    return rf'\{{"status":{status},"error":"{re.escape(error)}","message":"","timestamp":"{SECONDS}"\}}'


class Request(Struct, frozen=True):
    """A request, of which everything can be wrong at once."""

    to: str
    method: str = "POST"
    content_type: str = "application/json"
    body: bytes = b'{"id":1}'
    length: int = -1  # what it declares, if that is not what it sends
    headers: tuple[str, ...] = ()
    query: str = ""

    def but(self, **changes: object) -> "Request":
        return replace(self, **changes)

    async def sent_to(self, ingress: Ingress) -> Reply:
        length = len(self.body) if self.length < 0 else self.length
        lines = [f"{self.method} {path_of(self.to)}{self.query} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
        lines += [f"Content-Type: {self.content_type}", *self.headers, "", ""]
        async with wire_to(ingress.port) as wire:
            wire.writer.write("\r\n".join(lines).encode() + self.body)
            return await wire.reply()


class Tokens:
    """The credentials of one integration's API key."""

    def __init__(self, *, allowed_ips: tuple[str, ...] = ()) -> None:
        self.key, self.other = api_key(str(uuid4()), allowed_ips=allowed_ips), api_key(str(uuid4()))
        self.signing = signing_key(str(uuid4()))
        kid = self.signing.id
        self.good = token(self.key.id, kid, signer=kid)
        self.of_another_key = token(self.other.id, kid, signer=kid)
        self.expired = token(self.key.id, kid, signer=kid, exp=int(time()) - 1)
        self.expired_of_another_key = token(self.other.id, kid, signer=kid, exp=int(time()) - 1)
        self.badly_signed = token(self.key.id, kid, signer="another")
        self.unsupported = token(self.key.id, kid, signer=kid, algorithm="RS256")


def bearer(text: str) -> tuple[str, ...]:
    return (f"Authorization: Bearer {text}",)


def signed(body: bytes) -> tuple[str, ...]:
    return (f"X-Hub-Signature-256: {signature(body, SECRET)}",)


async def introduced(ingress: Ingress, integration: Integration, *, is_meta: bool = False) -> str:
    if is_meta:
        integration = replace(integration, auth=meta_auth(integration.id, SECRET))
    await ingress.introduce(integration)
    return integration.id


async def assert_answered(
    ingress: Ingress, request: Request, status: int, body: str, headers: Iterable[tuple[str, str]] = ()
) -> Reply:
    """Send a request; the answer has this status, body (a pattern) and headers (patterns) and no others."""
    reply = await request.sent_to(ingress)
    assert reply.status == status
    assert re.fullmatch(body, reply.body.decode()), reply.body
    expected = dict(headers)
    if status != 204:
        expected |= {"content-length": str(len(reply.body)), "content-type": expected.get("content-type", "text/plain")}
    given = {name: value for name, value in reply.headers.items() if name != "connection"}
    assert given.keys() == expected.keys()
    assert [name for name, value in expected.items() if not re.fullmatch(value, given[name])] == []
    return reply


JSON = ("content-type", "application/json")


async def test_rows_1_to_5_no_integration_another_method_or_a_body_that_cannot_be_read(ingress: Ingress) -> None:
    good = Request(await ingress.publish(BY_ID))
    not_found = r"The requested resource could not be found but may be available again in the future\."
    await assert_answered(ingress, good.but(to=str(uuid4())), 404, not_found)
    await assert_answered(ingress, good.but(to="nothing"), 404, not_found)
    for method in ("PUT", "DELETE", "GET"):
        await assert_answered(ingress, good.but(method=method), 405, r"Send a POST request\.", [("allow", "POST")])
    wrong_type = r"The Content-Type must be application/json\."
    await assert_answered(ingress, good.but(content_type="text/plain"), 415, wrong_type)
    await assert_answered(ingress, good.but(content_type="application/json; charset=utf-8"), 200, "OK", ID)
    await assert_answered(ingress, good.but(length=LIMIT_BYTES + 1), 413, r"The body is too large\.")
    encoded = good.but(headers=("Content-Encoding: gzip",))
    no_encoding = r"The body must be sent without a Content-Encoding\."
    await assert_answered(ingress, encoded, 415, no_encoding, [("accept-encoding", "identity")])
    await assert_answered(ingress, good.but(length=100), 408, r"The body did not arrive in time\.")


ID = [("x-request-id", "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")]
BEARER = [JSON, ("www-authenticate", "Bearer")]


async def test_rows_6_to_8_tokens(ingress: Ingress) -> None:
    tokens = Tokens()
    await ingress.define(tokens.key, tokens.other, tokens.signing)
    to = await ingress.publish(auth=JwtAuth(api_key_id=tokens.key.id))
    missing = "Missing 'Authorization' header or 'access_token' cookie"
    await assert_answered(ingress, Request(to), 401, denied(401, missing), BEARER)
    for text, error in [
        ("nonsense", "Malformed token"),
        (tokens.unsupported, "Unsupported token algorithm"),
        (tokens.badly_signed, "Invalid token signature"),
        (tokens.expired, "Expired token"),
    ]:
        await assert_answered(ingress, Request(to, headers=bearer(text)), 401, denied(401, error), BEARER)
    basic = Request(to, headers=("Authorization: Basic eDp5",))
    await assert_answered(ingress, basic, 401, denied(401, "Malformed token"), BEARER)
    forbidden = Request(to, headers=bearer(tokens.of_another_key))
    await assert_answered(ingress, forbidden, 403, denied(403, "Forbidden"), [JSON])
    await assert_answered(ingress, Request(to, headers=bearer(tokens.good)), 200, "OK", ID)
    await assert_answered(ingress, Request(to, headers=(f"Cookie: access_token={tokens.good}",)), 200, "OK", ID)


async def test_row_9_signatures_and_the_handshake(ingress: Ingress) -> None:
    to = await introduced(ingress, an_integration(deduplication=BY_ID), is_meta=True)
    good = Request(to, headers=signed(Request(to).body))
    name = "'X-Hub-Signature-256' header"
    await assert_answered(ingress, good.but(headers=()), 401, denied(401, f"Missing {name}"), [JSON])
    await assert_answered(ingress, good.but(headers=good.headers * 2), 401, denied(401, f"Missing {name}"), [JSON])
    await assert_answered(ingress, good.but(body=b'{"id":2}'), 401, denied(401, f"Invalid {name}"), [JSON])
    await assert_answered(ingress, good, 200, "OK", ID)
    await assert_answered(ingress, good, 200, "OK")
    query = "?hub.mode=subscribe&hub.challenge=42&hub.verify_token=a%20token%20of%20the%20owner%27s%20choice"
    handshake = Request(to, method="GET", body=b"", query=query)
    await assert_answered(ingress, handshake, 200, "42", [("x-content-type-options", "nosniff")])
    refused = handshake.but(query=query.replace("choice", "guess"))
    await assert_answered(ingress, refused, 403, denied(403, "Forbidden"), [JSON])
    other = good.but(method="PUT")
    await assert_answered(ingress, other, 405, r"Send a POST request\.", [("allow", "GET, POST")])


async def test_rows_10_to_14_the_rate_limit_the_body_and_what_is_stored(ingress: Ingress) -> None:
    slow = an_integration(rate_limit=RateLimit(per_second=0.01, burst=1))
    to = await introduced(ingress, slow)
    await assert_answered(ingress, Request(to), 200, "OK", ID)
    limited = await assert_answered(ingress, Request(to), 429, r"Too many requests\.", [("retry-after", r"\d+")])
    assert 60 < int(limited.headers["retry-after"]) <= 100
    good = Request(await ingress.publish(BY_ID))
    malformed = (
        r'\{"error":"Bad Request","message":"Error while deserializing input","status":400,'
        r'"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"\}'
    )
    for body in (b"", b"[]", b"{", b"\xff"):
        await assert_answered(ingress, good.but(body=body), 400, malformed, [JSON])
    await assert_answered(ingress, good, 200, "OK", ID)
    await assert_answered(ingress, good, 204, "")


async def test_row_13_what_cannot_be_known_now(kafka: str, tmp_path: Path) -> None:
    await topics.ensure_topics(kafka)
    async with serving(kafka, f"redis://{LOOPBACK}:{free_port()}/0", tmp_path, ready=False) as ingress:
        later = r"Please send the request again later\."
        to = await ingress.publish(BY_ID)
        await assert_answered(ingress, Request(to), 503, later, [("retry-after", "[1-9]")])
        newer = {"kind": "integration", "id": to, "workspace": "w", "name": "n", "version": 2, "auth": {"kind": "new"}}
        await ingress.put_definition(f"integration/{to}".encode(), msgspec.json.encode(newer))
        await ingress.until_answered(to, 503)
        await assert_answered(ingress, Request(to), 503, later, [("retry-after", "[1-9]")])


# What can be wrong with a request to an integration that is used up, in the order in which it is looked at.
WRONG: list[tuple[int, str, dict[str, object]]] = [
    (404, "no such integration", {"to": str(uuid4())}),
    (405, "method", {"method": "PUT"}),
    (415, "type", {"content_type": "text/plain"}),
    (413, "length", {"length": LIMIT_BYTES + 1}),
    (415, "encoding", {"headers": ("Content-Encoding: gzip",)}),
    (408, "stalled", {"length": 100}),
    (401, "credentials", {}),
    (429, "used up", {}),
    (400, "body", {"body": b"{"}),
]
ORDER = [status for status, _, _ in WRONG]
# Neighbours, and some that are further apart.
PAIRS = [(i, i + 1) for i in range(len(WRONG) - 1)] + [(3, 6), (2, 5), (1, 7), (6, 8)]


@pytest.mark.parametrize("is_meta", [False, True])
async def test_of_two_things_that_are_wrong_the_first_in_the_table_answers(ingress: Ingress, *, is_meta: bool) -> None:
    tokens = Tokens()
    await ingress.define(tokens.key, tokens.other, tokens.signing)
    integration = an_integration(
        auth=JwtAuth(api_key_id=tokens.key.id), rate_limit=RateLimit(per_second=0.0001, burst=1)
    )
    to = await introduced(ingress, integration, is_meta=is_meta)

    def proven(request: Request) -> Request:
        own = signed(request.body) if is_meta else bearer(tokens.good)
        return request.but(headers=(*request.headers, *own))

    assert (await proven(Request(to)).sent_to(ingress)).status == 200  # now it is used up
    for pair in PAIRS:
        changes: dict[str, object] = {}
        for index in pair:
            changes |= WRONG[index][2]
        request = Request(to).but(**changes)
        if not {ORDER[index] for index in pair} & {401}:
            request = proven(request)
        assert (await request.sent_to(ingress)).status == ORDER[pair[0]], [WRONG[index][1] for index in pair]
    if not is_meta:
        both = await Request(to, headers=bearer(tokens.expired_of_another_key)).sent_to(ingress)
        assert (both.status, msgspec.json.decode(both.body)["error"]) == (401, "Expired token")
        both = await Request(to, headers=bearer(tokens.of_another_key)).sent_to(ingress)
        assert both.status == 403


async def test_where_a_sender_is_says_only_a_proxy_that_is_trusted(
    ingress: Ingress, redis_url: str, tmp_path: Path
) -> None:
    for trusted, status in (("", 403), ("192.0.2.1", 403), ("127.0.0.0/8", 200)):
        settings = {"INLET_TRUSTED_PROXIES": trusted} if trusted else {}
        async with serving(ingress.kafka, redis_url, tmp_path, settings=settings) as behind:
            tokens = Tokens(allowed_ips=("203.0.113.0/24",))
            await behind.define(tokens.key, tokens.signing)
            request = Request(await behind.publish(auth=JwtAuth(api_key_id=tokens.key.id)))
            for told, answer in (("198.51.100.1, 203.0.113.9", status), ("203.0.113.9, 198.51.100.1", 403)):
                headers = (*bearer(tokens.good), f"X-Forwarded-For: {told}")
                assert (await request.but(headers=headers).sent_to(behind)).status == answer
