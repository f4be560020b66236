"""Webhooks as Meta sends them, at the running ingress."""

import sys
from asyncio import create_subprocess_exec, subprocess
from uuid import uuid4

import httpx
import msgspec
import pytest

from libs.messages import Batch, Deduplication, decode_metadata, definition_key
from tests.integration.ingress.serving import Ingress, an_integration, drafted, path_of
from tests.unit.ingress.credentials import VERIFY_TOKEN, meta_auth, signature

SECRET = "the app's secret"
GOOD = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}

WHATSAPP = b"""{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{
"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},
"contacts":[{"profile":{"name":"\\u0141ucja \\ud83d\\ude00"},"wa_id":"48123456789"}],"messages":[{
"from":"48123456789","id":"wamid.HBgLMTY1","timestamp":"1749416383","type":"text",
"text":{"body":"https:\\/\\/example.com\\/za\\u017c\\u00f3\\u0142\\u0107"}}]},"field":"messages"}]}]}"""
GRAPH = (
    b'{"entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":"44"}}],"id":"4","time":1748}],"object":"page"}'
)
BATCH = msgspec.json.encode({
    "object": "page",
    "entry": [{"id": "4", "time": 1, "changes": [{"field": "feed", "value": {"n": n}} for n in range(1000)]}],
})  # fmt: skip
LARGE = b'{"object":"page","entry":[{"changes":[{"value":"%s"}]}]}' % (b"x" * 3_000_000)


async def published(ingress: Ingress, *secrets: str, rules: Deduplication | None = None) -> str:
    integration = an_integration(deduplication=rules)
    integration = msgspec.structs.replace(integration, auth=meta_auth(integration.id, *(secrets or (SECRET,))))
    await ingress.introduce(integration)
    return integration.id


async def deliver(ingress: Ingress, integration_id: str, body: bytes, secret: str = SECRET) -> httpx.Response:
    return await ingress.send(integration_id, body, x_hub_signature_256=signature(body, secret))


async def test_what_meta_sends_is_accepted_as_it_came(ingress: Ingress) -> None:
    integration_id = await published(ingress)
    for body in (WHATSAPP, GRAPH, BATCH, LARGE):
        answer = await deliver(ingress, integration_id, body)
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["x-request-id"]
    records = await ingress.requests(integration_id)
    assert sorted(record.value for record in records) == sorted([WHATSAPP, GRAPH, BATCH, LARGE])
    assert b"sha256=" not in b"".join(value for record in records for _, value in record.headers)


async def test_requests_that_are_to_be_split_meet_in_one_partition_and_do_without_redis(ingress: Ingress) -> None:
    integration = an_integration(deduplication=Deduplication(parameters=("body.entry.0.id",)))
    split = meta_auth(integration.id, SECRET, split_batches=True)
    await ingress.introduce(msgspec.structs.replace(integration, auth=split))
    given = [await deliver(ingress, integration.id, GRAPH) for _ in range(5)]
    records = await ingress.requests(integration.id)
    assert {record.key for record in records} == {integration.id.encode()}
    assert len({record.partition for record in records}) == 1
    metadata = [decode_metadata(record.headers) for record in records]
    assert {one.batch for one in metadata} == {Batch(parameters=("body.entry.0.id",))}
    assert {one.event_id for one in metadata} == {answer.headers["x-request-id"] for answer in given}


async def test_a_request_that_would_be_too_large_in_parts_is_refused_and_not_stored(ingress: Ingress) -> None:
    parts = b'{"text":"%s","entry":[{"changes":[%s]}]}' % (b"x" * 1_000_000, b",".join([b"0"] * 40))
    integration = an_integration()
    for split, status in ((True, 400), (False, 200)):
        auth = meta_auth(integration.id, SECRET, split_batches=split)
        await ingress.introduce(msgspec.structs.replace(integration, auth=auth))
        await ingress.publish()  # what is defined later is known later
        assert (await deliver(ingress, integration.id, parts)).status_code == status
        assert len(await ingress.requests(integration.id)) == (not split)


async def test_the_same_document_in_other_bytes_has_another_signature(ingress: Ingress) -> None:
    integration_id = await published(ingress)
    signed = signature(WHATSAPP, SECRET)
    written_anew = msgspec.json.encode(msgspec.json.decode(WHATSAPP))
    answer = await ingress.send(integration_id, written_anew, x_hub_signature_256=signed)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid 'X-Hub-Signature-256' header")
    answer = await ingress.send(integration_id, WHATSAPP)
    assert (answer.status_code, answer.json()["error"]) == (401, "Missing 'X-Hub-Signature-256' header")
    assert await ingress.requests(integration_id) == []


async def test_while_secrets_change_both_count(ingress: Ingress) -> None:
    integration_id = await published(ingress, "old", "new")
    statuses = [(await deliver(ingress, integration_id, GRAPH, by)).status_code for by in ("old", "new", "newer")]
    assert statuses == [200, 200, 401]


async def test_a_duplicate_is_200_because_meta_would_send_again(ingress: Ingress) -> None:
    integration_id = await published(ingress, rules=Deduplication(parameters=("body.entry.0.id",)))
    assert "x-request-id" in (await deliver(ingress, integration_id, GRAPH)).headers
    again = await deliver(ingress, integration_id, GRAPH)
    assert (again.status_code, again.text) == (200, "OK")
    assert "x-request-id" not in again.headers
    assert len(await ingress.requests(integration_id)) == 1


@pytest.mark.parametrize("is_draft", [False, True])
async def test_the_handshake_repeats_the_challenge_and_creates_nothing(ingress: Ingress, *, is_draft: bool) -> None:
    integration = an_integration()
    integration = msgspec.structs.replace(integration, auth=meta_auth(integration.id, SECRET))
    await ingress.introduce(drafted(integration) if is_draft else integration)
    path = path_of(integration.id)
    answer = await ingress.http.get(path, params=GOOD)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for bad in ({}, {"hub.verify_token": "wrong"}, {"hub.mode": "unsubscribe"}):
        refused = await ingress.http.get(path, params=GOOD | bad if bad else {})
        assert (refused.status_code, refused.json()["error"]) == (403, "Forbidden")
    assert (await ingress.http.put(path)).status_code == (404 if is_draft else 405)
    assert (await deliver(ingress, integration.id, GRAPH)).status_code == (404 if is_draft else 200)
    assert len(await ingress.requests(integration.id)) == (0 if is_draft else 1)


async def test_405_names_both_methods(ingress: Ingress) -> None:
    answer = await ingress.http.delete(path_of(await published(ingress)))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_draft_is_as_unknown_as_anything_to_whom_meta_is_not(ingress: Ingress) -> None:
    draft = drafted(an_integration())
    await ingress.define(draft)
    await published(ingress)  # what is defined later is known later
    assert (await ingress.http.get(path_of(draft.id), params=GOOD)).status_code == 404
    assert (await ingress.send(draft.id, b"{}")).status_code == 404


async def test_secrets_that_were_sealed_elsewhere_are_503_until_they_are_not(ingress: Ingress) -> None:
    integration = an_integration()
    broken = msgspec.structs.replace(integration, auth=meta_auth(str(uuid4()), SECRET))
    await ingress.define(broken)
    await ingress.until_answered(integration.id, 503)
    assert (await deliver(ingress, integration.id, GRAPH)).status_code == 503
    assert f"integration {integration.id} cannot be used by this ingress".encode() in ingress.log.read_bytes()
    assert SECRET.encode() not in ingress.log.read_bytes()
    await ingress.put_definition(definition_key(broken), None)
    await ingress.until_answered(integration.id, 404)


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", "secret!"])
async def test_what_is_no_master_key_is_refused_at_the_start_and_not_repeated(key: str) -> None:
    environment = {"INLET_KAFKA": "k:9092", "INLET_REDIS": "redis://r", "INLET_MASTER_KEY": key}
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "services", "ingress"), env=environment, stderr=subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"INLET_MASTER_KEY is not 32 bytes in base64" in said
    assert not key or key.encode() not in said
