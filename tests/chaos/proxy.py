"""A TCP proxy between a service and a broker, and what may happen to a network on the way."""

import asyncio
import enum
import random
import socket
import struct
from contextlib import suppress
from typing import Final, Self

from deploy.local.ports import LOOPBACK, free_port

_CHUNK_BYTES: Final = 64 * 1024
_LATENCY_S: Final = 0.2
_BYTES_PER_S: Final = 256 * 1024
_LONGEST_LIFE_S: Final = 0.4
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Weather(enum.StrEnum):
    """The state of the network."""

    FAIR = "fair"
    REFUSED = "refused"
    """Connections end, and new ones are refused."""
    RESET = "reset"
    """Every connection, new ones too, is reset (RST) within less than half a second."""
    STALL = "stall"
    """Nothing is forwarded; connections stay up, and go on where they were when it is over."""
    DEAF = "half-open, requests lost"
    """Connections look up, and what the client says reaches nobody. Those of this time never recover."""
    MUTE = "half-open, answers lost"
    """Connections look up; what the client says arrives and no answer comes back. They never recover."""
    SLOW = "slow"
    """Every piece takes 0.2 s more, and 256 KiB/s is all there is."""


class Link:
    """One way to a server, under its own port, which is kept while connections are refused.

    Used as a context: it listens inside.
    """

    def __init__(self, host: str, port: int, rng: random.Random | None = None) -> None:
        self.port = free_port()
        self._upstream = (host, port)
        self._rng = rng or random.Random()
        self._weather = Weather.FAIR
        self._changed = asyncio.Event()
        # Those that are open.
        self.connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._holder = _bound(self.port)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def weather(self) -> Weather:
        return self._weather

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._refuse()
        self._holder.close()

    async def change(self, weather: Weather) -> None:
        """Let the weather change, for the connections that exist and for new ones."""
        self._weather = weather
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if weather is Weather.REFUSED:
            await self._refuse()
        else:
            await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=_bound(self.port))

    async def _refuse(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self.connections.add(connection)
        connection.add_done_callback(self.connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = _Connection(reader, writer)
        try:
            await self._first(served)
            served.upstream = await asyncio.open_connection(*self._upstream)
            await self._forward(served)
        except OSError:
            served.reset()
        finally:
            served.close()

    async def _first(self, served: "_Connection") -> None:
        """What happens to a connection before it reaches the server, if it does."""
        while self._weather is Weather.STALL:
            await self._changed.wait()
        if self._weather is Weather.DEAF or self._weather is Weather.MUTE:
            served.deaf = True
            await self._swallow(served)

    async def _forward(self, served: "_Connection") -> None:
        """Pass on both directions, until one of them ends."""
        assert served.upstream is not None
        tasks = [
            asyncio.create_task(self._pump(served, served.reader, served.upstream[1], up=True)),
            asyncio.create_task(self._pump(served, served.upstream[0], served.writer, up=False)),
            asyncio.create_task(self._watch(served)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, served: "_Connection") -> None:
        """Follow the weather; return when the connection is to be reset."""
        while self._weather is not Weather.RESET:
            served.deaf = served.deaf or self._weather is Weather.DEAF
            served.mute = served.mute or self._weather is Weather.MUTE
            await self._changed.wait()
        await asyncio.sleep(self._rng.uniform(0, _LONGEST_LIFE_S))
        raise ConnectionResetError

    async def _pump(
        self, served: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            while self._weather is Weather.STALL:
                await self._changed.wait()
            if self._weather is Weather.SLOW:
                await asyncio.sleep(_LATENCY_S + len(data) / _BYTES_PER_S)
            if served.deaf if up else served.mute or served.deaf:
                continue
            writer.write(data)
            await writer.drain()
        while self._weather is Weather.STALL:
            await self._changed.wait()
        if not up and (served.deaf or served.mute):  # nobody tells the client that the server has gone
            await asyncio.Event().wait()

    async def _swallow(self, served: "_Connection") -> None:
        while await served.reader.read(_CHUNK_BYTES):
            pass
        raise ConnectionResetError


class _Connection:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        # Whether what the client says, and what the server answers, is lost, for good.
        self.deaf = False
        self.mute = False

    def reset(self) -> None:
        """End both with RST instead of FIN."""
        for writer in self._writers():
            if (sock := writer.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()

    def close(self) -> None:
        for writer in self._writers():
            writer.close()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [self.writer] if self.upstream is None else [self.writer, self.upstream[1]]


def _bound(port: int) -> socket.socket:
    """A socket on a port that others of ours may be bound to as well; only those that listen are connected to."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((LOOPBACK, port))
    return bound
