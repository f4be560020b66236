"""What senders can do to a connection before there is a request, on a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from libs.health import Receive, Scope, Send
from services.ingress import checks, protocol
from services.ingress.protocol import BoundedHttpProtocol
from tests.unit.ingress.asgi import Message

POST = b"POST /x HTTP/1.1\r\nHost: x\r\n"
BODY = b"Content-Length: 2\r\n\r\n{}"
OFFER = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAE\r\n"


class Server:
    """Collects its requests, and answers each with the size of its body; a PUT before its body."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[tuple[str, dict[bytes, bytes], bytes]] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = scope["method"] != "PUT"
        while more:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.seen.append((scope["method"], dict(scope["headers"]), body))
        await self.goes_on.wait()
        answer = b"%d" % len(body)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

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
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(
        lambda: BoundedHttpProtocol(config, state, {}), "127.0.0.1", 0
    )
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEAD_TIMEOUT_S", 0.2)


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


async def test_garbage_behind_a_request_is_not_answered_in_its_place(server: Server) -> None:
    server.goes_on.clear()
    async with server.sender() as (reader, writer):
        writer.write(POST + BODY + b"\x16\x03\x01\r\n\r\n")
        assert await reader.read() == b""
    server.goes_on.set()


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
