"""What senders can do to a connection before there is a request, on a real socket."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from libs.health import Receive, Scope, Send
from libs.telemetry import registry_of
from services.ingress import checks, protocol
from services.ingress.crowd import Crowd
from services.ingress.protocol import BoundedHttpProtocol
from tests.eventually import eventually
from tests.unit.ingress.asgi import body_of

LIMIT = 3
POST = b"POST /x HTTP/1.1\r\nHost: x\r\n"
BODY = b"Content-Length: 2\r\n\r\n{}"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
OFFER = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAE\r\n"


class Server:
    """Collects its requests, and answers each with the size of its body; a PUT before its body."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[tuple[str, dict[bytes, bytes], bytes]] = []
        self.crowd = Crowd(LIMIT)
        self.state = ServerState()
        self.answer = b""  # instead of the size
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await body_of(receive) if scope["method"] != "PUT" else b""
        if body is None:
            return
        self.seen.append((scope["method"], dict(scope["headers"]), body))
        await self.goes_on.wait()
        answer = self.answer or b"%d" % len(body)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def has_seen(self, requests: int) -> bool:
        return len(self.seen) == requests

    async def is_left(self) -> bool:
        return not self.state.connections

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(5):
                yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    config = uvicorn.Config(server, http=BoundedHttpProtocol, ws="none", log_config=None, timeout_keep_alive=1)
    listening = await asyncio.get_running_loop().create_server(
        lambda: BoundedHttpProtocol(crowd=server.crowd, config=config, server_state=server.state, app_state={}),
        "127.0.0.1",
        0,
    )
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEAD_TIMEOUT_S", 0.2)


def counted(status: int) -> float:
    return registry_of("ingress").get_sample_value("inlet_ingress_requests_total", {"status": str(status)}) or 0


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return int(head.split()[1]), await reader.readexactly(int(length.split()[1]))


async def pieces(writer: asyncio.StreamWriter, data: bytes, size: int) -> None:
    """Send in pieces that the server, in the same event loop, receives as pieces."""
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.parametrize("endless", [b"a:b\r\n" * 20_000, b"a:" + b"b" * 70_000, b"a" * 70_000])
async def test_a_head_without_an_end_is_refused_at_its_limit(server: Server, endless: bytes) -> None:
    async with server.sender() as (reader, writer):
        head = POST + endless
        await pieces(writer, head[: checks.HEADERS_LIMIT_BYTES], 32 * 1024)
        assert not reader.at_eof()
        writer.write(head[checks.HEADERS_LIMIT_BYTES :][:10])
        assert (await answer(reader))[0] == 431
        assert await reader.read() == b""
    assert server.seen == []


async def test_a_body_and_the_heads_of_other_requests_do_not_count(server: Server) -> None:
    request = POST + b"a: " + b"b" * 30_000 + b"\r\nContent-Length: 9\r\n\r\n123456789"
    async with server.sender() as (reader, writer):
        await pieces(writer, request * 8, 7_000)
        assert [await answer(reader) for _ in range(8)] == [(200, b"9")] * 8
        await pieces(writer, POST + b"Content-Length: 200000\r\n\r\n" + bytes(200_000), 10_000)
        assert await answer(reader) == (200, b"200000")


@pytest.mark.usefixtures("hasty")
async def test_a_connection_without_a_byte_is_closed_and_half_a_head_is_408(server: Server) -> None:
    async with server.sender() as (reader, _):
        assert await reader.read() == b""
    async with server.sender() as (reader, writer):
        writer.write(POST)
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""
    assert server.seen == []


@pytest.mark.usefixtures("hasty")
async def test_a_head_that_drips_is_408(server: Server) -> None:
    async with server.sender() as (reader, writer):
        writer.write(POST + BODY)
        assert await answer(reader) == (200, b"2")
        reply = asyncio.create_task(answer(reader))
        writer.write(POST)
        while not reply.done():
            writer.write(b"a")
            await asyncio.wait({reply}, timeout=0.02)
        assert reply.result()[0] == 408


@pytest.mark.usefixtures("hasty")
async def test_half_a_head_behind_a_request_takes_nothing_from_its_answer(server: Server) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        await pieces(writer, POST + BODY + POST, len(POST + BODY))
        reply = asyncio.create_task(answer(reader))
        await asyncio.wait({reply}, timeout=0.5)
        assert not reply.done()
        server.goes_on.set()
        assert await reply == (200, b"2")
        writer.write(BODY)
        assert await answer(reader) == (200, b"2")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("framing", [BODY, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"])
async def test_an_offer_of_another_protocol_is_ignored_however_it_arrives(
    server: Server, framing: bytes, size: int
) -> None:
    async with server.sender() as (reader, writer):
        await pieces(writer, (OFFER + framing) * 2 + POST + BODY, size)
        assert [await answer(reader) for _ in range(3)] == [(200, b"2")] * 3
    assert [(method, body) for method, _, body in server.seen] == [("POST", b"{}")] * 3
    assert server.seen[0][1][b"http2-settings"] == b"AAE"
    assert b"upgrade" not in server.seen[0][1]


@pytest.mark.parametrize("size", [1, 1000])
async def test_trailers_are_no_headers(server: Server, size: int) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"
        await pieces(writer, POST + chunked, size)
        server.goes_on.set()
        assert await answer(reader) == (200, b"2")
    assert set(server.seen[0][1]) == {b"host", b"transfer-encoding"}


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01 TLS\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_what_is_not_http_is_400_and_leaves_no_line_in_the_log(
    server: Server, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with server.sender() as (reader, writer):
        writer.write(garbage)
        assert (await answer(reader))[0] == 400
        assert await reader.read() == b""
    assert caplog.records == []


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", CHUNKED + b"\r\n2\r\n{}\r\n-\r\n", POST + b"a" * 70_000])
async def test_garbage_behind_requests_ends_the_connection_once_they_are_answered(
    server: Server, garbage: bytes
) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write((POST + BODY) * 2 + garbage + POST + BODY)
        reply = asyncio.create_task(reader.read())
        await asyncio.wait({reply}, timeout=0.1)
        assert not reply.done()
        server.goes_on.set()
        statuses = re.findall(rb"HTTP/1.1 (\d+)", await reply)
    assert statuses in ([b"200", b"200", b"400"], [b"200", b"200", b"431"])
    assert [body for *_, body in server.seen] == [b"{}"] * 2


async def test_garbage_instead_of_a_chunk_is_400(server: Server) -> None:
    async with server.sender() as (reader, writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n")
        assert (await answer(reader))[0] == 400
    assert server.seen == []


async def test_a_body_behind_its_answer_is_not_waited_for(server: Server) -> None:
    async with server.sender() as (reader, writer):
        writer.write(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert await answer(reader) == (200, b"0")
        reply = asyncio.create_task(reader.read())
        while not reply.done():
            writer.write(b"a")
            await asyncio.wait({reply}, timeout=0.02)
        with suppress(ConnectionError):
            assert reply.result() == b""


@pytest.mark.usefixtures("hasty")
async def test_the_end_of_a_body_behind_its_answer_does_not_keep_the_connection(server: Server) -> None:
    async with server.sender() as (reader, writer):
        writer.write(b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await answer(reader) == (200, b"0")
        writer.write(b"0\r\n\r\n")
        assert await reader.read() == b""


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("part", [b"", POST])
async def test_whole_requests_of_a_sender_that_has_ended_its_side_are_answered(
    server: Server, requests: int, part: bytes
) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write((POST + BODY) * requests + part)
        writer.write_eof()
        reply = asyncio.create_task(reader.read())
        await asyncio.wait({reply}, timeout=0.1)
        assert not reply.done()
        server.goes_on.set()
        assert (await reply).count(b"HTTP/1.1 200 OK") == requests
    assert len(server.seen) == requests


@pytest.mark.parametrize("part", [b"", POST, POST + BODY[:-1]])
async def test_a_sender_that_has_ended_in_the_middle_is_not_waited_for(server: Server, part: bytes) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write(part)
        writer.write_eof()
        assert await reader.read() == b""


@pytest.mark.parametrize("beginning", [b"", POST, POST + BODY[:-1]])
async def test_one_connection_too_many_takes_the_place_of_the_one_that_waits_longest(
    server: Server, beginning: bytes
) -> None:
    async with AsyncExitStack() as stack:
        reader, writer = await stack.enter_async_context(server.sender())
        writer.write(beginning)
        for _ in range(LIMIT):
            other, its_writer = await stack.enter_async_context(server.sender())
            its_writer.write(POST + BODY)
            assert await answer(other) == (200, b"2")
        assert (await reader.read())[:12] == (b"HTTP/1.1 503" if beginning else b"")


async def test_where_all_connections_wait_for_an_answer_one_too_many_is_503_and_closed(server: Server) -> None:
    server.goes_on.clear()
    before = counted(503)
    async with AsyncExitStack() as stack:
        some = [await stack.enter_async_context(server.sender()) for _ in range(LIMIT)]
        for _, writer in some:
            writer.write(POST + BODY)
        await eventually(lambda: server.has_seen(LIMIT))
        reader, _ = await stack.enter_async_context(server.sender())
        assert (await answer(reader))[0] == 503
        assert await reader.read() == b""
        assert counted(503) == before + 1
        server.goes_on.set()
        assert [await answer(reader) for reader, _ in some] == [(200, b"2")] * LIMIT


async def test_of_requests_at_once_a_limited_number_is_queued_and_the_connection_ends_behind_them(
    server: Server,
) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write((POST + BODY) * 100)
        await eventually(lambda: server.has_seen(1))
        server.goes_on.set()
        answered = await reader.read()
    assert answered.count(b"HTTP/1.1 200") == len(server.seen) == 17
    assert answered.count(b"connection: close") == 1


async def test_what_queues_is_bounded_together_and_the_request_before_it_is_answered(server: Server) -> None:
    server.crowd = Crowd(LIMIT, heads_limit_bytes=20_000)
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write((POST + BODY) * 10)
        await eventually(lambda: server.has_seen(1))
        server.goes_on.set()
        assert await answer(reader) == (200, b"2")
        assert (await answer(reader))[0] == 503
        assert await reader.read() == b""
    async with server.sender() as (reader, writer):
        for _ in range(10):
            writer.write((POST + BODY) * 3)
            assert [await answer(reader) for _ in range(3)] == [(200, b"2")] * 3


async def test_a_sender_that_reads_no_answers_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_ANSWER_TIMEOUT_MS", 100)
    monkeypatch.setattr(server, "answer", bytes(32 * 1024 * 1024))
    async with server.sender() as (_, writer):
        writer.write(POST + BODY)
        await eventually(lambda: server.has_seen(1))
        await eventually(server.is_left)


async def test_unfinished_heads_are_bounded_together_and_whole_ones_are_served(server: Server) -> None:
    server.crowd = Crowd(LIMIT, heads_limit_bytes=1000)
    async with server.sender() as (_, holding), server.sender() as (reader, writer):
        await pieces(holding, POST + b"a" * 700, 100)
        writer.write(POST + BODY)
        assert await answer(reader) == (200, b"2")
        writer.write(POST + b"b" * 400)
        assert (await answer(reader))[0] == 503
        assert await reader.read() == b""
    async with server.sender() as (reader, writer):
        await pieces(writer, POST + b"c: " + b"c" * 700 + b"\r\n" + BODY, 100)
        assert await answer(reader) == (200, b"2")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("sent", "status"), [(b"x y\r\n\r\n", 400), (POST, 408), (POST + b"a" * 70_000, 431)])
async def test_what_is_answered_before_there_is_a_request_is_counted(server: Server, sent: bytes, status: int) -> None:
    before = counted(status)
    async with server.sender() as (reader, writer):
        writer.write(sent)
        assert (await answer(reader))[0] == status
    assert counted(status) == before + 1


AMBIGUOUS = {
    "two lengths that are the same": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length of nothing": POST + b"Content-Length:\r\n\r\n{}",
    "a length with a space": POST + b"Content-Length: 2 2\r\n\r\n{}",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "an encoding before a length": CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n",
    "a length before an encoding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "no encoding as one": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked and then another": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "an encoding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a space before a colon": POST + b"Content-Length : 0\r\n\r\n",
    "a space before a name": b"POST /x HTTP/1.1\r\n Host: x\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": (POST + BODY).replace(b"\r\n", b"\n"),
    "a bare carriage return": POST + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a zero byte in a value": POST + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a zero byte in a name": POST + b"X\0: a\r\nContent-Length: 0\r\n\r\n",
    "a space in the target": b"POST /x y HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "an unknown version": b"POST /x HTTP/1.2\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a chunk beyond all numbers": CHUNKED + b"\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk with 0x": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKED + b"\r\n2\r\n{}0\r\n\r\n",
    "a chunk and a space": CHUNKED + b"\r\n2 \r\n{}\r\n0\r\n\r\n",
    "chunks with line feeds": CHUNKED + b"\r\n2\n{}\n0\n\n",
    "an extension with a line feed": CHUNKED + b"\r\n2;a\n{}\r\n0\r\n\r\n",
    "a length in the trailers": CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
}
BEHIND = b"DELETE /y HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("ambiguous", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_what_two_servers_could_read_differently_is_400_and_nothing_behind_it_is_a_request(
    server: Server, ambiguous: bytes
) -> None:
    async with server.sender() as (reader, writer):
        writer.write(ambiguous + BEHIND)
        assert (await answer(reader))[0] == 400
        assert await reader.read() == b""
    assert [one for one in server.seen if one[0] == "DELETE"] == []


@pytest.mark.parametrize(
    "last",
    [
        POST + b"Connection: close\r\n" + BODY,
        b"POST /x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n" + BODY,
        b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /x\r\n\r\n",
    ],
)
async def test_nothing_behind_the_last_request_of_a_connection_is_a_request(server: Server, last: bytes) -> None:
    async with server.sender() as (reader, writer):
        writer.write(last + BEHIND)
        assert (await reader.read()).count(b"HTTP/1.1") == 1
    assert [method for method, *_ in server.seen] == ["POST"]


@pytest.mark.parametrize(
    "clear",
    [
        CHUNKED + b"\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST http://elsewhere/x HTTP/1.1\r\nHost: x\r\n" + BODY,
        b"\r\n\r\n" + POST + BODY,
    ],
)
async def test_what_is_unusual_and_clear_is_read_to_its_end(server: Server, clear: bytes) -> None:
    async with server.sender() as (reader, writer):
        writer.write(clear + BEHIND)
        assert [await answer(reader) for _ in range(2)] == [(200, b"2"), (200, b"0")]
    assert [(method, body) for method, _, body in server.seen] == [("POST", b"{}"), ("DELETE", b"")]


async def test_who_has_begun_a_head_when_the_server_stops_is_told_to_come_again(server: Server) -> None:
    async with server.sender() as (reader, writer), server.sender() as (idle, _):
        writer.write(POST)

        async def has_come() -> bool:
            return any(connection._kept for connection in server.state.connections)  # type: ignore[union-attr]

        await eventually(has_come)
        for connection in list(server.state.connections):
            connection.shutdown()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer.lower()
        assert await idle.read() == b""
