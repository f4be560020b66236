"""What the proxy does to connections, seen from a client of a server that answers every line with itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio

from tests.chaos.proxy import Link, Weather
from tests.eventually import eventually


class Echo:
    """The server: every line it gets, in `heard`."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
        writer.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, line: bytes) -> None:
        self._writer.write(line)

    async def hears(self) -> bytes:
        """The next line, b"" at the end; ConnectionResetError for a reset."""
        return await self._reader.readline()

    async def hears_nothing(self) -> None:
        """Nothing arrives that might have been on its way: a fifth of a second is long on loopback."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await self.hears()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest_asyncio.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Link(*server.sockets[0].getsockname()) as link:
        yield link


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def works(client: Client) -> None:
    client.say(b"x\n")
    assert await client.hears() == b"x\n"


async def test_in_fair_weather_and_in_slow_everything_passes(link: Link) -> None:
    async with connected(link) as client:
        await works(client)
        await link.change(Weather.SLOW)
        await works(client)


async def test_refused_connections_end_and_others_can_be_made_later(link: Link) -> None:
    async with connected(link) as client:
        await works(client)
        await link.change(Weather.REFUSED)
        assert await client.hears() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", link.port)
    await link.change(Weather.FAIR)
    async with connected(link) as client:
        await works(client)


async def test_reset_connections_are_reset_also_those_that_begin_meanwhile(link: Link) -> None:
    async with connected(link) as before:
        await works(before)
        await link.change(Weather.RESET)
        with pytest.raises(ConnectionResetError):
            await before.hears()
    async with connected(link) as meanwhile:
        with pytest.raises(ConnectionResetError):
            await meanwhile.hears()


async def test_what_a_stall_held_back_arrives_when_it_is_over(link: Link) -> None:
    async with connected(link) as before:
        await works(before)
        await link.change(Weather.STALL)
        async with connected(link) as meanwhile:
            for client in (before, meanwhile):
                client.say(b"late\n")
                await client.hears_nothing()
            await link.change(Weather.FAIR)
            assert await before.hears() == await meanwhile.hears() == b"late\n"


@pytest.mark.parametrize(("weather", "heard"), [(Weather.DEAF, []), (Weather.MUTE, [b"lost\n"])])
async def test_half_open_connections_stay_up_for_nothing_and_never_recover(
    link: Link, echo: Echo, weather: Weather, heard: list[bytes]
) -> None:
    async with connected(link) as before:
        await works(before)
        echo.heard.clear()
        await link.change(weather)
        async with connected(link) as meanwhile:
            for client in (before, meanwhile):
                client.say(b"lost\n")
                await client.hears_nothing()
            await link.change(Weather.FAIR)
            await before.hears_nothing()
            await meanwhile.hears_nothing()
        assert echo.heard == heard
    async with connected(link) as after:
        await works(after)


async def test_the_end_of_a_connection_is_passed_on(link: Link) -> None:
    async with connected(link) as client:
        await works(client)
        [connection] = link.connections

    async def is_gone() -> bool:
        return connection.done()

    await eventually(is_gone)
