"""A PostgreSQL that lets everybody in and dies at the first statement, as one that is shut down at the wrong time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from deploy.local.ports import LOOPBACK

_NO_TLS: Final = b"N"
_AUTHENTICATED: Final = b"R\0\0\0\x08\0\0\0\0"
_VERSION: Final = b"S\0\0\0\x18server_version\x0017.0\0"
_READY: Final = b"Z\0\0\0\x05I"


class DyingPostgres:
    """Where it listens, and how many statements have been lost in it."""

    def __init__(self) -> None:
        self.url = ""
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (_NO_TLS, _AUTHENTICATED + _VERSION + _READY):
            length = int.from_bytes(await reader.readexactly(4))
            await reader.readexactly(length - 4)
            writer.write(answer)
        await reader.readexactly(1)
        self.lost += 1
        writer.close()


@asynccontextmanager
async def dying_postgres() -> AsyncIterator[DyingPostgres]:
    postgres = DyingPostgres()
    server = await asyncio.start_server(postgres.serve, LOOPBACK, 0)
    postgres.url = f"postgresql://inlet@{LOOPBACK}:{server.sockets[0].getsockname()[1]}/inlet?ssl=prefer"
    async with server:
        yield postgres
