"""The endpoint as an ASGI application: which check answers first, and how an early answer is sent."""

import asyncio
from typing import NoReturn

import msgspec
import pytest

from libs.messages import Integration, NoAuth, Undecodable
from libs.telemetry import registry_of
from services.ingress import answers, body, checks
from services.ingress.acceptance import Acceptance
from services.ingress.routes import Endpoint
from services.ingress.samples import Samples
from services.ingress.settings import Settings
from services.ingress.snapshot import Compiler, Snapshot
from services.ingress.tally import Tallies
from tests.unit.ingress.asgi import GONE, Answered, Message, Sender, chunk
from tests.unit.ingress.credentials import SEALER
from tests.unit.ingress.memory import MemoryClaims, MemoryLog

ID = "01234567-89ab-cdef-0123-456789abcdef"
NEWER = "11234567-89ab-cdef-0123-456789abcdef"
UNKNOWN = "21234567-89ab-cdef-0123-456789abcdef"
JSON = (b"content-type", b"application/json")
BODY = chunk(b'{"id":1}', last=True)


class Server:
    """The endpoint over stores in memory."""

    def __init__(self, log: MemoryLog | None = None, intake: int = 1000) -> None:
        self.log = log or MemoryLog()
        self.tallies = Tallies()
        self.snapshot = Snapshot(Compiler(SEALER, self.tallies))
        limits = {"body_limit_bytes": 100, "intake_limit_bytes": intake, "body_idle_timeout_s": 0.05}
        settings = msgspec.convert({"kafka": "", "redis": "", "master_key": "", **limits}, Settings)
        acceptance = Acceptance(self.log, MemoryClaims(), lambda: 7)
        samples = Samples(MemoryLog())
        self.endpoint = Endpoint(self.snapshot, acceptance, samples, settings)

    async def load(self) -> None:
        integration = Integration(id=ID, workspace="w", name="n", version=1, auth=NoAuth())
        newer = Undecodable(reason="a later version")
        await self.snapshot.apply({f"integration/{ID}": integration, f"integration/{NEWER}": newer})

    async def answer(
        self, *messages: Message, of: str = ID, method: str = "POST", headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
    ) -> Answered:
        answered = Answered()
        path = f"/automation-endpoint/endpoints/authorized/{of}/trigger"
        scope: Message = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": list(headers),
            "client": ("127.0.0.1", 1),
        }
        await self.endpoint(scope, Sender(messages).receive, answered.send)
        return answered


@pytest.fixture
async def server() -> Server:
    server = Server()
    await server.load()
    return server


def counted(status: int) -> float:
    return registry_of("ingress").get_sample_value("inlet_ingress_requests_total", {"status": str(status)}) or 0


async def test_a_good_request_is_answered_on_a_connection_that_stays(server: Server) -> None:
    before = counted(200)
    answered = await server.answer(BODY)
    assert (answered.status, answered.body) == (200, b"OK")
    assert b"connection" not in answered.headers
    assert answered.complete
    assert len(server.log.records) == 1
    assert counted(200) == before + 1


async def test_a_malformed_body_is_400_on_a_connection_that_stays(server: Server) -> None:
    answered = await server.answer(chunk(b"[1]", last=True))
    assert answered.status == 400
    assert b"connection" not in answered.headers
    assert server.log.records == []


async def test_until_the_definitions_are_loaded_a_path_that_may_exist_is_503_and_another_404() -> None:
    server = Server()
    assert (await server.answer(BODY)).status == 503
    assert (await server.answer(BODY, of="nothing")).status == 404


async def test_an_integration_of_a_later_version_is_503_and_publishes_nothing(server: Server) -> None:
    answered = await server.answer(BODY, of=NEWER)
    assert answered.status == 503
    assert int(answered.headers[b"retry-after"]) >= 1
    assert server.log.records == []


async def test_what_kafka_does_not_confirm_is_503(server: Server) -> None:
    server.log.confirming = False
    answered = await server.answer(BODY)
    assert answered.status == 503
    assert int(answered.headers[b"retry-after"]) >= 1


async def test_the_checks_answer_in_their_order(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request in which everything is wrong, repaired from the first objection to the last."""
    monkeypatch.setattr(body, "_LINGER_S", 0.05)
    text, big, gzip = (b"content-type", b"text/plain"), (b"content-length", b"101"), (b"content-encoding", b"gzip")
    wrong = chunk(b"{")
    assert (await server.answer(wrong, BODY, of=UNKNOWN, method="GET", headers=(text, big, gzip))).status == 404
    assert (await server.answer(wrong, BODY, method="GET", headers=(text, big, gzip))).status == 405
    assert (await server.answer(wrong, BODY, headers=(text, big, gzip))).status == 415
    assert (await server.answer(wrong, BODY, headers=(JSON, big, gzip))).status == 413
    assert (await server.answer(wrong, BODY, headers=(JSON, gzip))).status == 415
    assert (await server.answer(wrong, chunk(bytes(100)), BODY)).status == 413
    assert (await server.answer(wrong)).status == 408
    assert (await server.answer(wrong, chunk(b"", last=True))).status == 400
    assert server.log.records == []


async def test_an_answer_before_the_end_of_the_body_is_sent_at_once_and_closes_when_the_body_has_run_out(
    server: Server,
) -> None:
    order = []

    async def receive() -> Message:
        order.append("receive")
        return chunk(b"x", last=len(order) > 4)

    async def send(message: Message) -> None:
        order.append(message["type"].rpartition(".")[2])

    scope: Message = {"type": "http", "method": "POST", "raw_path": b"/", "headers": [(b"content-length", b"5")]}
    await server.endpoint(scope, receive, send)
    assert order == ["start", "body", "receive", "receive", "receive", "body"]


async def test_an_answer_before_the_end_of_the_body_says_that_it_closes(server: Server) -> None:
    answered = await server.answer(BODY, of=UNKNOWN, headers=(JSON, (b"content-length", b"8")))
    assert answered.headers[b"connection"] == b"close"
    assert answered.body == answers.NOT_FOUND.body
    assert answered.complete


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"0"),)])
async def test_a_refusal_of_a_request_without_a_body_does_not_close(
    server: Server, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    for of, method, status in [(UNKNOWN, "POST", 404), (ID, "GET", 405), (ID, "POST", 415)]:
        answered = await server.answer(of=of, method=method, headers=headers)
        assert answered.status == status
        assert b"connection" not in answered.headers
        assert answered.complete


class Unread(bytes):
    """A header's value of which only the length may be asked."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        raise AssertionError(f"it was decoded as {encoding}, {errors}")


async def test_a_head_of_any_size_is_refused_before_it_is_looked_at(server: Server) -> None:
    answered = await server.answer(headers=(*[(b"a", Unread(b"b"))] * 400_000, JSON))
    assert answered.status == 431


async def test_a_sender_that_goes_away_mid_body_gets_and_leaves_nothing(server: Server) -> None:
    answered = await server.answer(chunk(b'{"id"'), GONE)
    assert answered.messages == []
    assert server.log.records == []


async def test_who_is_slow_is_503_where_others_need_the_room_and_every_answer_makes_room() -> None:
    server = Server(intake=150 + 2 * checks.HEADER_COST_BYTES)
    await server.load()
    waiting = asyncio.create_task(server.answer(chunk(bytes(90))))
    await asyncio.sleep(0)
    assert (await server.answer(chunk(b'{"a":"%s' % (b"x" * 40)), chunk(b'"}', last=True))).status == 200
    answered = await waiting
    assert (answered.status, answered.headers[b"retry-after"]) == (503, b"5")
    assert (await server.answer(chunk(b'{"a":"%s' % (b"x" * 80)), chunk(b'"}', last=True))).status == 200
