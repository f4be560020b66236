"""What senders see, and what their requests leave on the topic: the ingress as a process, on Kafka and Redis."""

import asyncio
import re
from uuid import UUID, uuid4

import msgspec
import pytest

from libs.messages import Deduplication, decode_metadata
from tests.integration.ingress.serving import Ingress, path_of

NOT_FOUND = "The requested resource could not be found but may be available again in the future."
BY_ID = Deduplication(parameters=("body.id",))


async def test_an_accepted_request_is_durable_as_it_came(ingress: Ingress) -> None:
    integration_id = await ingress.publish(version=7)
    raw = '{ "complaint" : {"id": "cmp-1", "text": "żółć"} }\n'.encode()
    answer = await ingress.send(integration_id, raw, x_form_id="7", authorization="Bearer secret", cookie="s=secret")
    assert (answer.status_code, answer.content) == (200, b"OK")
    assert answer.headers["content-type"] == "text/plain"
    [record] = await ingress.requests(integration_id)
    metadata = decode_metadata(record.headers)
    assert record.value == raw
    assert record.key.decode() == metadata.event_id == answer.headers["x-request-id"]
    assert UUID(metadata.event_id).version == 7
    assert (metadata.source.workspace, metadata.source.integration.version) == ("w", 7)
    assert metadata.source.integration.name == "Ümlaut"
    assert metadata.headers["x-form-id"] == "7"
    assert not metadata.deduplicated
    assert b"secret" not in b"".join(value for _, value in record.headers)
    assert all(value.isascii() for _, value in record.headers)


async def test_unknown_unpublished_and_misspelled_endpoints_look_the_same(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    await ingress.put_definition(f"integration/{integration_id}".encode(), None)
    await ingress.until_answered(integration_id, 404)
    for path in [
        path_of(integration_id),
        path_of(str(uuid4())),
        path_of("nothing"),
        "/automation-endpoint/",
        "/elsewhere",
        "/",
    ]:
        answer = await ingress.http.post(path, json={})
        assert (answer.status_code, answer.text) == (404, NOT_FOUND)
        assert answer.headers["content-type"].startswith("text/plain")


async def test_the_id_of_a_published_integration_is_found_in_its_canonical_form_only(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    for variant in (integration_id.upper(), integration_id.replace("-", "")):
        assert (await ingress.send(variant, b"{}")).status_code == 404


async def test_other_methods_are_405(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = await ingress.http.request(method, path_of(integration_id))
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"


async def test_other_content_types_and_encodings_are_415(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonl"):
        assert (await ingress.send(integration_id, b"{}", content_type=content_type)).status_code == 415
    assert (await ingress.send(integration_id, b"{}", content_encoding="gzip")).status_code == 415
    assert (await ingress.http.post(path_of(integration_id), content=b"{}")).status_code == 415
    assert await ingress.requests(integration_id) == []


async def test_json_with_a_charset_is_accepted(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    answer = await ingress.send(integration_id, b"{}", content_type="Application/JSON; charset=utf-8")
    assert answer.status_code == 200


async def test_headers_of_any_size_are_431_and_leave_no_trace(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    answer = await ingress.send(integration_id, b"{}", x_bomb="v" * 70_000)
    assert answer.status_code == 431
    assert await ingress.requests(integration_id) == []


BAD = {
    "nothing": b"",
    "not JSON": b"complaint=1",
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a bare array": b'[{"a":1}]',
    "a bare string": b'"text"',
    "a depth bomb": b'{"a":' + b"[" * 1_500_000 + b"]" * 1_500_000 + b"}",
    "65 levels": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "100,000 keys": b"{%s}" % b",".join(b'"%d":1' % index for index in range(100_000)),
    "NaN": b'{"a":NaN}',
    "a number beyond doubles": b'{"a":1e999}',
    "an integer without end": b'{"a":' + b"9" * 5000 + b"}",
    "a lone surrogate": b'{"a":"\\ud800"}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "more than one value": b"{} {}",
}


async def test_bad_bodies_of_every_kind_are_400_and_leave_no_trace(ingress: Ingress) -> None:
    integration_id = await ingress.publish(BY_ID)
    for kind, raw in BAD.items():
        answer = await ingress.send(integration_id, raw)
        assert answer.status_code == 400, kind
        assert answer.headers["content-type"] == "application/json"
        assert re.fullmatch(
            r'\{"error":"Bad Request","message":"Error while deserializing input","status":400,'
            r'"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"\}',
            answer.text,
        )
    assert await ingress.requests(integration_id) == []


ODD = {
    "duplicate keys": b'{"a":1,"a":2}',
    "a huge integer": b'{"a":123456789012345678901234567890123456789012345678901234567890}',
    "NUL": b'{"a":"\\u0000"}',
    "a dot in a key": b'{"a.b":{"c\\\\d":1}}',
    "an empty object": b"{}",
    "an empty key": b'{"":1}',
    "64 levels": b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
    "3 MiB": b'{"a":"%s"}' % (b"x" * (3 * 1024 * 1024 - 8)),
}


async def test_odd_but_good_bodies_are_accepted_untouched(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    for kind, raw in ODD.items():
        assert (await ingress.send(integration_id, raw)).status_code == 200, kind
    records = await ingress.requests(integration_id)
    assert sorted(record.value for record in records) == sorted(ODD.values())


async def test_a_repeated_request_answers_204_and_leaves_one_record(ingress: Ingress) -> None:
    integration_id = await ingress.publish(BY_ID)
    first = await ingress.send(integration_id, b'{"id":1}')
    assert (first.status_code, first.text) == (200, "OK")
    for again in (b'{"id":1}', b'{"id":1.0}', b'{"id":1,"more":2}'):
        answer = await ingress.send(integration_id, again)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "x-request-id" not in answer.headers
    assert (await ingress.send(integration_id, b'{"id":"1"}')).status_code == 200
    one, other = await ingress.requests(integration_id)
    assert {decode_metadata(one.headers).deduplicated, decode_metadata(other.headers).deduplicated} == {True}
    assert re.fullmatch(rb"[0-9a-f]{32}", one.key)
    assert first.headers["x-request-id"] in {decode_metadata(record.headers).event_id for record in (one, other)}


async def test_huge_integers_are_compared_exactly(ingress: Ingress) -> None:
    integration_id = await ingress.publish(BY_ID)
    huge = 10**40
    given = [(await ingress.send(integration_id, b'{"id":%d}' % value)).status_code for value in (huge, huge + 1, huge)]
    assert given == [200, 200, 204]


async def test_a_sender_can_bring_its_own_hash(ingress: Ingress) -> None:
    integration_id = await ingress.publish(Deduplication(parameters=("headers.x-deduplication-hash",)))
    given = [
        (await ingress.send(integration_id, raw, x_deduplication_hash=own)).status_code
        for raw, own in [(b'{"a":1}', "one"), (b'{"a":2}', "one"), (b'{"a":2}', "two")]
    ]
    assert given == [200, 204, 200]
    given = [(await ingress.send(integration_id, b'{"a":3}')).status_code for _ in range(2)]
    assert given == [200, 200]


async def test_the_same_request_to_two_integrations_is_no_duplicate(ingress: Ingress) -> None:
    for integration_id in (await ingress.publish(BY_ID), await ingress.publish(BY_ID)):
        assert (await ingress.send(integration_id, b'{"id":1}')).status_code == 200


async def test_of_many_at_once_one_is_200_and_all_others_are_204(ingress: Ingress) -> None:
    integration_id = await ingress.publish(BY_ID)
    sent = await asyncio.gather(*(ingress.send(integration_id, b'{"id":1}') for _ in range(20)))
    assert sorted(answer.status_code for answer in sent) == [200] + [204] * 19
    records = await ingress.requests(integration_id)
    assert len({(record.key, record.partition) for record in records}) == 1


async def test_every_id_that_was_given_is_on_the_topic_once(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    sent = await asyncio.gather(*(ingress.send(integration_id, b'{"n":%d}' % number) for number in range(200)))
    given = {answer.headers["x-request-id"]: number for number, answer in enumerate(sent)}
    records = await ingress.requests(integration_id)
    assert {record.key.decode(): msgspec.json.decode(record.value)["n"] for record in records} == given
    assert len(records) == 200


async def test_an_integration_of_a_later_version_is_503_until_this_one_can_read_it(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    newer = {"kind": "integration", "id": integration_id, "workspace": "w", "name": "n", "version": 2}
    await ingress.put_definition(
        f"integration/{integration_id}".encode(), msgspec.json.encode(newer | {"auth": {"kind": "retina"}})
    )
    await ingress.until_answered(integration_id, 503)
    answer = await ingress.send(integration_id, b"{}")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    await ingress.put_definition(
        f"integration/{integration_id}".encode(), msgspec.json.encode(newer | {"auth": {"kind": "none"}})
    )
    await ingress.until_answered(integration_id, 405)
    assert (await ingress.send(integration_id, b"{}")).status_code == 200
    [record] = await ingress.requests(integration_id)
    assert decode_metadata(record.headers).source.integration.version == 2


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_working_ingress_is_healthy_and_ready(ingress: Ingress, path: str) -> None:
    assert (await ingress.http.get(path)).status_code == 200


async def test_answers_are_counted_by_status(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    await ingress.send(integration_id, b"{}")
    metrics = (await ingress.http.get("/metrics")).text
    assert re.search(r'^inlet_ingress_requests_total\{status="200"\} [1-9]', metrics, re.MULTILINE)
    assert re.search(r'^inlet_ingress_requests_total\{status="408"\} \d', metrics, re.MULTILINE)
    assert "inlet_definitions_contact_timestamp_seconds" in metrics
