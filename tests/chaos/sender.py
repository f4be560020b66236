"""A sender's connection: HTTP/1.1 over one socket, as cheap as it can be, because many requests share the machine."""

import asyncio
from typing import Final, NamedTuple

from tests.chaos.history import NO_ANSWER

_PATIENCE_S: Final = 10.0


class Answer(NamedTuple):
    """The status, or NO_ANSWER, and the ``X-Request-Id`` if there was one."""

    status: int
    request_id: str = ""


class Connection:
    """Keeps a connection open between requests; after a failure the next request opens another."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: str = "") -> Answer:
        """One request; `headers` are whole lines."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._exchange(path, body, headers)
        except (OSError, EOFError, TimeoutError):  # TimeoutError is an OSError, and said for the reader
            self.close()
            return Answer(NO_ANSWER)
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, path: str, body: bytes, headers: str) -> Answer:
        if self._streams is not None and self._streams[0].at_eof():  # the ingress has closed what was idle for long
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        writer.write(head.encode() + body)
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection") == "close":
            self.close()
        return Answer(int(status_line.split()[1]), fields.get("x-request-id", ""))
