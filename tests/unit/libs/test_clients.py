"""A client whose start fails or is given up is stopped, and never while its start still runs.

And whoever is cancelled while a client stops learns of it.
"""

import asyncio
import contextlib

import pytest

from libs.clients import start_whole, stop_whole


class Client:
    """Remembers what was done to it; its start ends when `connected` is set, in an error if there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.connected = asyncio.Event()
        self.done: list[str] = []
        self._error = error

    async def start(self) -> None:
        try:
            await self.connected.wait()
        except asyncio.CancelledError:
            self.done.append("start cancelled")
            raise
        if self._error is not None:
            raise self._error
        self.done.append("started")

    async def stop(self) -> None:
        self.done.append("stopped")


async def in_hand(client: Client, finish_within_s: float = 10) -> asyncio.Task[None]:
    """A start that has begun."""
    starting = asyncio.create_task(start_whole(client.start, client.stop, finish_within_s=finish_within_s))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return starting


async def test_a_client_that_starts_is_not_stopped() -> None:
    client = Client()
    client.connected.set()
    await start_whole(client.start, client.stop)
    assert client.done == ["started"]


async def test_a_start_that_fails_is_stopped_and_its_error_raised() -> None:
    client = Client(ConnectionError("away"))
    client.connected.set()
    with pytest.raises(ConnectionError, match="away"):
        await start_whole(client.start, client.stop)
    assert client.done == ["stopped"]


async def test_a_start_that_is_cancelled_ends_before_the_client_is_stopped() -> None:
    client = Client()
    starting = await in_hand(client)
    starting.cancel()
    await asyncio.sleep(0)
    assert client.done == []
    client.connected.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert client.done == ["started", "stopped"]


async def test_a_start_that_is_cancelled_and_then_fails_says_nothing_more() -> None:
    client = Client(ConnectionError("away"))
    starting = await in_hand(client)
    starting.cancel()
    client.connected.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert client.done == ["stopped"]


async def test_a_start_that_does_not_end_is_cancelled_after_a_time() -> None:
    client = Client()
    starting = await in_hand(client, finish_within_s=0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert client.done == ["start cancelled", "stopped"]


class Routine:
    """Work that takes a cancellation for its end, as the routines of aiokafka do, and whoever stops it awaits it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.stopping = asyncio.Event()
        self.may_end = asyncio.Event()
        self.stopped = False
        self._error = error

    async def start(self) -> None:
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        self.stopping.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self.may_end.wait()
        self.stopped = True


async def test_who_is_cancelled_while_a_client_stops_learns_of_it_when_it_has_stopped() -> None:
    routine = Routine()
    stopping = asyncio.create_task(stop_whole(routine.stop, finish_within_s=10))
    await routine.stopping.wait()
    stopping.cancel()
    await asyncio.sleep(0)
    assert not stopping.done()
    routine.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert routine.stopped


async def test_a_stop_that_does_not_end_is_given_up_after_a_cancellation() -> None:
    routine = Routine()
    stopping = asyncio.create_task(stop_whole(routine.stop, finish_within_s=0.01))
    await routine.stopping.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert routine.stopped


async def test_who_is_cancelled_while_a_client_stops_that_could_not_start_learns_of_it() -> None:
    routine = Routine(ConnectionError("away"))
    starting = asyncio.create_task(start_whole(routine.start, routine.stop, finish_within_s=0.01))
    await routine.stopping.wait()
    starting.cancel()
    routine.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await starting


@pytest.mark.parametrize("turns", range(6))
async def test_a_start_that_has_failed_is_stopped_although_it_is_cancelled_meanwhile(turns: int) -> None:
    client = Client(ConnectionError("away"))
    starting = await in_hand(client)
    client.connected.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionError)):
        await starting
    assert client.done == ["stopped"]
