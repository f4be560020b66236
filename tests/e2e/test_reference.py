"""The steps of the reference documentation, by REST and over the wire, for every kind of authentication."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from libs import topics
from libs.identifiers import part_id
from tests.consuming import read_all
from tests.e2e.author import Author
from tests.e2e.workflow import read_events, read_triggers, settle
from tests.eventually import eventually

BODY = {"complaint": {"id": "cmp-20240610-001", "priority": "high", "customer": {"firstName": "Jane"}}}
RAW = json.dumps(BODY).encode()
JSON = {"content-type": "application/json"}
APP_SECRET, VERIFY_TOKEN = "app secret of the reference", "verify token of the reference"

Credentials = Callable[[bytes], dict[str, str]]


async def call(author: Author, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
    answer = await author.http.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def select_authentication(author: Author, stack: Stack, kind: str) -> tuple[dict[str, object], Credentials]:
    """What to write into the integration, and what its senders then add to a request."""
    if kind == "none":
        return {"kind": "none"}, lambda _: {}
    if kind == "meta":

        def sign(raw: bytes) -> dict[str, str]:
            return {"x-hub-signature-256": "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()}

        return {"kind": "meta", "appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN}, sign
    key = await call(author, "POST", "/api-keys", {"name": "sender", "permissions": ["INCOMING_WEBHOOK_EXECUTE"]})
    token = (
        await author.http.post(f"{stack.url('config')}/uauth/v2/auth/login/profile", json={"apiKey": key["secret"]})
    ).json()["token"]
    return {"kind": "jwt", "apiKeyId": key["id"]}, lambda _: {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", ["none", "jwt", "meta"])
async def test_creating_an_incoming_integration(author: Author, stack: Stack, kind: str) -> None:
    async with httpx.AsyncClient(timeout=30) as sender:
        # Select authentication method.
        auth, credentials = await select_authentication(author, stack, kind)
        created = await call(author, "POST", "/integrations", {"name": f"Reference {kind}", "auth": auth})
        path, url = f"/integrations/{created['id']}", created["url"]
        headers = JSON | credentials(RAW)

        # Not published: the endpoint is not there.
        assert (await sender.post(url, content=RAW, headers=headers)).status_code == 404

        # Send sample data: within 90 seconds, and see it flattened.
        await call(author, "POST", f"{path}/capture")

        async def armed() -> bool:
            return (await sender.post(url, content=RAW, headers=headers)).status_code == 200

        await eventually(armed)

        async def received() -> bool:
            return bool((await call(author, "GET", f"{path}/capture"))["state"] == "received")

        await eventually(received)
        sample = (await call(author, "GET", f"{path}/capture"))["sample"]
        parameters = {one["name"]: one["value"] for one in sample["parameters"]}
        assert parameters["body.complaint.customer.firstName"] == "Jane"
        assert sample["body"] == BODY

        # Set deduplication rules, from what was received.
        rules = {"parameters": ["body.complaint.id"]}
        await call(author, "PATCH", path, {"deduplication": rules})
        where = {"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"}
        tried = await call(author, "POST", "/business-events/test", {"where": where, "integrationId": created["id"]})
        assert tried["matched"] is True
        event = {"name": "Urgent", "integrationId": created["id"], "where": where}
        business_event = await call(author, "POST", "/business-events", event)

        # Save & publish. The sample has not consumed its deduplication key, and has triggered nothing.
        await call(author, "POST", f"{path}/publish")

        async def live() -> bool:
            answer = await sender.post(url, content=b"?", headers=JSON | credentials(b"?"))
            return answer.status_code == 400

        await eventually(live)
        first = await sender.post(url, content=RAW, headers=headers)
        assert (first.status_code, first.text) == (200, "OK")
        again = await sender.post(url, content=RAW, headers=headers)
        assert (again.status_code, again.text) == ((200, "OK") if kind == "meta" else (204, ""))
        refused = await sender.post(url, content=RAW, headers=JSON)
        assert refused.status_code == (204 if kind == "none" else 401)

        async def triggered() -> bool:
            found = await read_all(stack.kafka.address, topics.TRIGGERS)
            ids = [json.loads(one.value)["event"]["id"] for one in found if business_event["id"].encode() in one.value]
            return ids == [first.headers["x-request-id"]]

        await eventually(triggered)


async def test_a_revoked_key_is_refused_at_the_ingress_within_moments(author: Author, stack: Stack) -> None:
    async with httpx.AsyncClient(timeout=30) as sender:
        auth, credentials = await select_authentication(author, stack, "jwt")
        created = await call(author, "POST", "/integrations", {"name": "Revoked", "auth": auth})
        await call(author, "POST", f"/integrations/{created['id']}/publish")
        headers = JSON | credentials(RAW)

        async def answers(status: int) -> bool:
            return (await sender.post(created["url"], content=RAW, headers=headers)).status_code == status

        await eventually(lambda: answers(200))
        cookie = headers["authorization"].removeprefix("Bearer ")
        by_cookie = await sender.post(created["url"], content=RAW, headers=JSON | {"cookie": f"access_token={cookie}"})
        assert by_cookie.status_code == 200
        sender.cookies.clear()
        missing = await sender.post(created["url"], content=RAW, headers=JSON)
        assert missing.status_code == 401
        body = missing.json()
        assert list(body) == ["status", "error", "message", "timestamp"]
        assert body["error"] == "Missing 'Authorization' header or 'access_token' cookie"
        await call(author, "PATCH", f"/api-keys/{auth['apiKeyId']}", {"permissions": []})
        await eventually(lambda: answers(403), within_s=5)
        await call(author, "PATCH", f"/api-keys/{auth['apiKeyId']}", {"permissions": ["INCOMING_WEBHOOK_EXECUTE"]})
        await eventually(lambda: answers(200), within_s=5)
        await call(author, "DELETE", f"/api-keys/{auth['apiKeyId']}")
        await eventually(lambda: answers(403), within_s=5)
        refused = await sender.post(created["url"], content=RAW, headers=headers)
        assert {**refused.json(), "timestamp": ""} == {
            "status": 403, "error": "Forbidden", "message": "", "timestamp": ""
        }  # fmt: skip


async def test_meta_can_verify_a_draft_and_an_author_sees_what_was_refused(author: Author, stack: Stack) -> None:
    async with httpx.AsyncClient(timeout=30) as sender:
        auth, credentials = await select_authentication(author, stack, "meta")
        created = await call(author, "POST", "/integrations", {"name": "Draft", "auth": auth})
        url, path = created["url"], f"/integrations/{created['id']}"
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}

        async def verified() -> bool:
            answer = await sender.get(url, params=query)
            return (answer.status_code, answer.text) == (200, "1158201444")

        await eventually(verified)
        assert (await sender.get(url, params=query | {"hub.verify_token": "x"})).status_code == 403
        assert (await sender.post(url, content=RAW, headers=JSON | credentials(RAW))).status_code == 404
        await call(author, "POST", f"{path}/capture")

        async def armed() -> bool:
            return (await sender.post(url, content=RAW, headers=JSON)).status_code == 401

        await eventually(armed)
        assert (await sender.post(url, content=b"{", headers=JSON | credentials(b"{"))).status_code == 400
        assert (await sender.get(url, params=query | {"hub.verify_token": "x"})).status_code == 403

        async def told() -> bool:
            refused = (await call(author, "GET", f"{path}/capture"))["refused"]
            return {401, 400, 403} <= {one["status"] for one in refused}

        await eventually(told)
        assert (await call(author, "DELETE", f"{path}/capture"))["state"] == "cancelled"


async def test_no_secret_is_in_clear_on_a_topic_or_in_a_log(author: Author, stack: Stack) -> None:
    auth, _ = await select_authentication(author, stack, "meta")
    created = await call(author, "POST", "/integrations", {"name": "Secrets", "auth": auth})
    await call(author, "POST", f"/integrations/{created['id']}/publish")

    async def announced() -> bool:
        found = await read_all(stack.kafka.address, topics.DEFINITIONS)
        return any(created["id"].encode() in (one.key or b"") for one in found)

    await eventually(announced)
    secrets = [APP_SECRET.encode(), VERIFY_TOKEN.encode(), stack.admin.password.encode(), b"PRIVATE KEY"]
    for topic in (topics.DEFINITIONS, topics.SAMPLES, topics.REQUESTS, topics.EVENTS):
        for record in await read_all(stack.kafka.address, topic):
            headers = b"".join(value or b"" for _, value in record.headers)
            assert not any(secret in (record.value or b"") + headers for secret in secrets)
    for service in stack.services.values():
        log = service.log.read_bytes()
        assert not any(secret in log for secret in secrets)


async def test_each_change_of_a_batch_triggers_for_itself_and_once(author: Author, stack: Stack) -> None:
    """Meta sends a batch, and later another one that has some of its messages again."""
    auth, sign = await select_authentication(author, stack, "meta")
    created = await call(
        author, "POST", "/integrations",
        {
            "name": "Split",
            "auth": auth | {"splitBatches": True},
            "deduplication": {"parameters": ["body.entry.0.changes.0.value.id"]},
        },
    )  # fmt: skip
    where = {"param": "body.entry.0.changes.0.value.kind", "type": "string", "operator": "EQUAL", "value": "message"}
    event = {"name": "Messages", "integrationId": created["id"], "where": where}
    await call(author, "POST", "/business-events", event)
    await call(author, "POST", f"/integrations/{created['id']}/publish")

    def batch(*messages: tuple[str, str]) -> bytes:
        changes = [{"field": "messages", "value": {"id": name, "kind": kind}} for name, kind in messages]
        return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()

    first = batch(("a", "message"), ("b", "status"), ("c", "message"), ("a", "message"))
    second = batch(("c", "message"), ("d", "message"))
    async with httpx.AsyncClient(timeout=30) as sender:

        async def sent(raw: bytes) -> httpx.Response:
            return await sender.post(created["url"], content=raw, headers=JSON | sign(raw))

        async def live() -> bool:
            return (await sent(b"?")).status_code == 400

        await eventually(live)
        answers = [await sent(raw) for raw in (first, second, first)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
    await settle(stack.kafka.address)
    events = await read_events(stack.kafka.address, created["id"])
    names = [one.parameters["body.entry.0.changes.0.value.id"] for one in events]
    assert names == ["a", "b", "c", "d"]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [(one.id, one.request_id) for one in events] == [
        (part_id(ids[0], "0.0"), ids[0]),
        (part_id(ids[0], "0.1"), ids[0]),
        (part_id(ids[0], "0.2"), ids[0]),
        (part_id(ids[1], "0.1"), ids[1]),
    ]
    triggers = await read_triggers(stack.kafka.address, created["id"])
    assert [one.event.id for one in triggers] == [events[0].id, events[2].id, events[3].id]

    async def counted() -> bool:
        activity = await call(author, "GET", f"/integrations/{created['id']}/activity")
        sums = [sum(one[name] for one in activity["series"]) for name in ("accepted", "duplicates")]
        return sums == [2, 1]

    await eventually(counted, said="of the third request all parts were duplicates, and it is not counted as one")
