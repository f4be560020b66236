"""FastStream's broker and the parts of it that a stage replaces."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Final

from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from libs.exactly_once.outcomes import Record

log = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
Start = Callable[[Hook], Coroutine[object, object, None]]

# Longer than a group may take to form, which a request waits for.
_REQUEST_TIMEOUT_MS: Final = 20_000
_LEAVE_LIMIT_S: Final = 2.0
# For a start in hand to end, and for leaving after it.
_START_END_LIMIT_S: Final = 4.0


class StageBroker(KafkaBroker):
    """A broker that starts when `start` says so, and whose stop begins with `close` and is bounded.

    `start` gets what really starts it. FastStream calls it in the background, after the application has started.
    """

    def __init__(self, bootstrap: str, *, start: Start, close: Hook) -> None:
        # What it says below an error is its progress per batch, and advice on topics that others create.
        logger = logging.getLogger(f"{__name__}.faststream")
        logger.setLevel(logging.ERROR)
        super().__init__(
            bootstrap.split(","),
            consumer_only=True,
            graceful_timeout=None,  # `close` waits for the portion in hand
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            logger=logger,
        )
        self._start_when_possible = start
        self._close_first = close
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._starting = asyncio.create_task(self._start_when_possible(super().start))
        await asyncio.wait([self._starting])

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        if self._starting is not None:  # else it would go on behind the stop
            self._starting.cancel()
            await asyncio.wait([self._starting], timeout=_START_END_LIMIT_S)
        await self._close_first()
        try:
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await super().stop(exc_type, exc_val, exc_tb)
        except TimeoutError:
            log.warning("Kafka did not confirm the departure in %g s", _LEAVE_LIMIT_S)


async def message_of(records: tuple[Record, ...]) -> KafkaMessage:
    """Replace FastStream's parser, which drops a whole batch for one header that is not UTF-8."""
    return KafkaMessage(
        body=[record.value or b"" for record in records],
        raw_message=records,
        consumer=FAKE_CONSUMER,
        headers={},
        message_id="",
        correlation_id="",
    )


async def records_of(message: KafkaMessage) -> object:
    """Replace FastStream's decoder: the handler gets the records themselves."""
    return message.raw_message
