"""What `libs.clients` is for: aiokafka's clients, given up while they start."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from libs.clients import start_whole

FIRST_ANSWER: Final = 1  # the versions; the second is the metadata


class Bottleneck:
    """A proxy of a broker that holds back the second answer on each connection until it is told to let go."""

    def __init__(self, bootstrap: str) -> None:
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()
        self.closed = asyncio.Event()
        self._host, _, self._port = bootstrap.partition(":")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(self._host, int(self._port))
        answers = asyncio.create_task(self._answer(from_broker, writer))
        while request := await reader.read(65536):
            to_broker.write(request)
        self.closed.set()
        to_broker.close()
        writer.close()
        await answers

    async def _answer(self, from_broker: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 0
        while size := await from_broker.read(4):
            answer = await from_broker.readexactly(int.from_bytes(size, "big"))
            count += 1
            if count > FIRST_ANSWER:
                self.reached.set()
                await self.let_go.wait()
            writer.write(size + answer)


@asynccontextmanager
async def behind_a_bottleneck(bootstrap: str) -> AsyncIterator[tuple[str, Bottleneck]]:
    bottleneck = Bottleneck(bootstrap)
    async with await asyncio.start_server(bottleneck.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}", bottleneck


def client_of(kind: str, bootstrap: str) -> AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient:
    match kind:
        case "producer":
            return AIOKafkaProducer(bootstrap_servers=bootstrap)
        case "consumer":
            return AIOKafkaConsumer(bootstrap_servers=bootstrap)
        case _:
            return AIOKafkaAdminClient(bootstrap_servers=bootstrap)


@pytest.mark.parametrize("kind", ["producer", "consumer", "admin"])
async def test_a_client_that_is_given_up_while_it_starts_leaves_no_connection_open(kafka: str, kind: str) -> None:
    async with behind_a_bottleneck(kafka) as (address, bottleneck):
        client = client_of(kind, address)
        stop = client.close if kind == "admin" else client.stop
        gc.disable()  # which would close a forgotten connection some time
        try:
            starting = asyncio.create_task(start_whole(client.start, stop))
            await bottleneck.reached.wait()
            starting.cancel()
            bottleneck.let_go.set()
            with pytest.raises(asyncio.CancelledError):
                await starting
            async with asyncio.timeout(10):
                await bottleneck.closed.wait()
        finally:
            gc.enable()
