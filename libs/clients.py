"""Kafka clients: started whole or not at all, stopped so that nobody misses a cancellation, and resets outlived."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts
from aiokafka.errors import KafkaConnectionError

from libs.settings import SettingsError

_FINISH_LIMIT_S: Final = 2.0


def check_brokers(bootstrap: str) -> None:
    """Refuse at once what every attempt to connect would fail at.

    Raises:
        SettingsError: `bootstrap` is no list of brokers' addresses.
    """
    try:
        collect_hosts(bootstrap)
    except ValueError as error:
        raise SettingsError("INLET_KAFKA is not host:port, or several of them with commas between") from error


def outlive_resets() -> None:
    """Let aiokafka's clients of this process outlive connections that are reset, on uvloop too.

    To a write before anybody has noticed the reset uvloop answers with a RuntimeError, which aiokafka does not expect
    (aio-libs/aiokafka#1038): the task that fetches, sends or keeps up the membership ends, mostly in silence.
    """
    send = AIOKafkaConnection.send

    def send_or_fail(connection: AIOKafkaConnection, *arguments: object, **named: object) -> object:
        try:
            answer: object = send(connection, *arguments, **named)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(str(error)) from error
        return answer

    AIOKafkaConnection.send = send_or_fail


async def start_whole(
    start: Callable[[], Awaitable[object]],
    stop: Callable[[], Awaitable[object]],
    *,
    finish_within_s: float = _FINISH_LIMIT_S,
) -> None:
    """Await `start()`. When this raises, for a cancellation too, `stop()` has been awaited.

    A client of aiokafka that is cancelled in its start forgets its first connection without closing it. So a start
    in hand is not cancelled but given time to end, and is cancelled only if it does not within `finish_within_s`.

    Raises:
        Exception: what `start()` raises.
    """
    starting = asyncio.ensure_future(start())
    try:
        await asyncio.shield(starting)
    except BaseException:
        # As a whole, for a cancellation that comes only now, too.
        await stop_whole(lambda: _end(starting, stop, finish_within_s), finish_within_s=2 * finish_within_s)
        raise


async def stop_whole(stop: Callable[[], Awaitable[object]], *, finish_within_s: float = _FINISH_LIMIT_S) -> None:
    """Await `stop()`, and where this is cancelled meanwhile, still for so long.

    A client of aiokafka that is stopping awaits tasks that take a cancellation for the end of their work: whoever
    awaits it directly would never learn that it was cancelled.
    """
    stopping = asyncio.ensure_future(stop())
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        await asyncio.wait([stopping], timeout=finish_within_s)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        raise


async def _end(starting: asyncio.Future[object], stop: Callable[[], Awaitable[object]], finish_within_s: float) -> None:
    await asyncio.wait([starting], timeout=finish_within_s)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await stop()
