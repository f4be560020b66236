"""A connection of the ingress without a socket: its bytes in pieces, and the requests that it takes them for."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from libs.health import Receive, Scope, Send
from services.ingress.crowd import Crowd
from services.ingress.protocol import BoundedHttpProtocol
from tests.unit.ingress.asgi import body_of


class Taken(NamedTuple):
    """A whole request as the application receives it."""

    method: str
    path: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._is_closing = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self.written += data

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Application:
    def __init__(self) -> None:
        self.taken: list[Taken] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await body_of(receive)
        if body is None:
            return
        self.taken.append(Taken(scope["method"], scope["raw_path"], tuple(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def converse(pieces: Iterable[bytes]) -> tuple[list[Taken], bytes]:
    """What the pieces are taken for, and what is answered; an error of the server's is raised."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    application, transport = _Application(), _Transport()
    config = uvicorn.Config(application, http=BoundedHttpProtocol, ws="none", log_config=None)
    protocol = BoundedHttpProtocol(crowd=Crowd(10), config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(transport)
    for piece in pieces:
        if transport.is_closing():
            break
        protocol.data_received(piece)
        for _ in range(10):  # the application answers in a few turns of the loop
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    assert failures == []
    return application.taken, transport.written
