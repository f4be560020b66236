"""What the endpoint counts of the requests that it answers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import asdict

from libs.messages import (
    EVENT_ID,
    Auth,
    Capture,
    Deduplication,
    DraftIntegration,
    Integration,
    NoAuth,
    Position,
    RateLimit,
)
from services.ingress.acceptance import Record
from services.ingress.tally import Taken
from tests.unit.ingress.asgi import GONE, Message, chunk
from tests.unit.ingress.credentials import meta_auth, signature
from tests.unit.ingress.memory import MemoryLog
from tests.unit.ingress.test_endpoint import ID, JSON, NEWER, UNKNOWN, Server

RULES = Deduplication(parameters=("body.id", "headers.x-form-id"))
RAW = b'{"id":1}'
BODY = chunk(RAW, last=True)
SIGNED = (JSON, (b"x-hub-signature-256", signature(RAW, "s").encode()))


async def serving(
    auth: Auth | None = None,
    rules: Deduplication | None = None,
    limit: RateLimit | None = None,
    log: MemoryLog | None = None,
) -> Server:
    server = Server(log)
    await server.load()
    integration = Integration(
        id=ID, workspace="w", name="n", version=1, auth=auth or NoAuth(), deduplication=rules, rate_limit=limit
    )
    await server.snapshot.apply({f"integration/{ID}": integration})
    return server


def taken(server: Server) -> Taken:
    [one] = server.tallies.take()
    assert one.tally.integration_id == ID
    return one


def counts(one: Taken) -> tuple[int, int, int]:
    return one.accepted, one.duplicates, one.rejected


def reasons(one: Taken) -> list[tuple[int, str]]:
    return [(rejection.status, rejection.reason) for rejection in one.rejections]


async def test_what_is_accepted_and_what_is_repeated_is_counted_apart() -> None:
    server = await serving(rules=RULES)
    for _ in range(3):
        await server.answer(BODY)
    one = taken(server)
    assert counts(one) == (1, 2, 0)
    first, second = one.repetitions
    assert first.key == second.key == server.log.records[0].key
    assert first.id != second.id
    assert [(shown.parameter, shown.value) for shown in first.inputs[:1]] == [("body.id", 1)]


class SlowLog(MemoryLog):
    """A log during whose work others go on."""

    async def append(self, record: Record) -> Position | None:
        await asyncio.sleep(0)
        return await super().append(record)


async def test_of_a_request_that_lost_to_an_equal_one_at_once_the_id_is_that_of_its_record() -> None:
    server = await serving(rules=RULES, log=SlowLog())
    await asyncio.gather(server.answer(BODY), server.answer(BODY))
    one = taken(server)
    assert counts(one) == (1, 1, 0)
    assert one.repetitions[0].id in [dict(record.headers)[EVENT_ID].decode() for record in server.log.records]


async def test_what_could_not_be_stored_is_counted_as_rejected() -> None:
    server = await serving(rules=RULES)
    server.log.confirming = False
    await server.answer(BODY)
    server.log.confirming = True
    await server.answer(BODY)
    await server.answer(BODY)
    one = taken(server)
    assert counts(one) == (1, 1, 1)
    assert reasons(one) == [(503, "It could not be stored in time, so the sender was asked to send it again")]


async def test_a_duplicate_of_meta_is_no_accepted_request_although_its_answer_looks_like_one() -> None:
    server = await serving(meta_auth(ID, "s"), RULES)
    answered = [await server.answer(BODY, headers=SIGNED) for _ in range(2)]
    assert [one.status for one in answered] == [200, 200]
    assert counts(taken(server)) == (1, 1, 0)


async def test_a_handshake_is_counted_when_it_fails() -> None:
    server = await serving(meta_auth(ID, "s"))
    await server.answer(method="GET")
    assert reasons(taken(server)) == [
        (403, "The handshake must have hub.mode and hub.verify_token and hub.challenge, not empty and not repeated")
    ]


async def test_each_refusal_is_counted_with_a_reason_for_the_owner() -> None:
    server = await serving(meta_auth(ID, "s"), limit=RateLimit(per_second=0.001, burst=1))
    await server.answer(BODY, method="PUT")
    await server.answer(BODY, headers=((b"content-type", b"text/plain"),))
    await server.answer(chunk(bytes(101), last=True))
    await server.answer(BODY)
    await server.answer(BODY, headers=(JSON, (b"x-hub-signature-256", b"sha256=hunter2")))
    await server.answer(BODY, headers=SIGNED)
    await server.answer(BODY, headers=SIGNED)
    one = taken(server)
    assert counts(one) == (1, 0, 6)
    statuses, texts = zip(*reasons(one), strict=True)
    assert statuses == (405, 415, 413, 401, 401, 429)
    assert "text/plain" in texts[1]
    assert "hunter2" not in repr(one.rejections)


async def test_a_request_to_a_draft_is_a_rejection_for_its_owner_and_404_for_its_sender() -> None:
    server = Server()
    draft = DraftIntegration(id=ID, workspace="w", name="n", version=1, auth=NoAuth())
    await server.snapshot.apply({f"draft/{ID}": draft})
    assert (await server.answer(BODY)).status == 404
    assert reasons(taken(server)) == [(404, "The integration is not published")]


async def test_a_sample_of_a_draft_is_not_counted_and_what_its_capture_refuses_is() -> None:
    server = Server()
    draft = DraftIntegration(id=ID, workspace="w", name="n", version=1, auth=NoAuth())
    armed = Capture(id=ID, generation=1, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    await server.snapshot.apply({f"draft/{ID}": draft, f"capture/{ID}": armed})
    assert (await server.answer(BODY)).status == 200
    assert server.tallies.take() == []
    assert (await server.answer(chunk(b"[]", last=True))).status == 400
    assert counts(taken(server)) == (0, 0, 1)


@pytest.mark.parametrize("of", [UNKNOWN, NEWER])
async def test_where_no_integration_is_nothing_is_counted(of: str) -> None:
    server = await serving()
    await server.answer(BODY, of=of)
    assert server.tallies.take() == []


async def test_a_sender_that_has_gone_is_not_counted() -> None:
    server = await serving()
    messages: list[Message] = [chunk(b"{"), GONE]
    await server.answer(*messages)
    assert server.tallies.take() == []


async def test_what_was_counted_outlives_a_new_version_of_the_integration() -> None:
    server = await serving()
    await server.answer(BODY)
    integration = Integration(id=ID, workspace="w", name="n", version=2, auth=NoAuth())
    await server.snapshot.apply({f"integration/{ID}": integration})
    await server.answer(BODY)
    await server.snapshot.apply({f"integration/{ID}": None, f"draft/{ID}": DraftIntegration(**asdict(integration))})
    await server.answer(BODY)
    assert [counts(one) for one in server.tallies.take()] == [(2, 0, 0), (0, 0, 1)]
