"""A connection to Kafka for writing to a topic: one idempotent aiokafka producer, and a new one when it has broken."""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.clients import start_whole

log = logging.getLogger(__name__)

# A larger record is a batch of its own: aiokafka always takes the first one.
BATCH_BYTES: Final = 512 * 1024
# Shorter than aiokafka's default, so that a broker that has vanished is left sooner.
_REQUEST_TIMEOUT_MS: Final = 10_000
_RETRY_S: Final = 1.0
_REACH_TIMEOUT_S: Final = 2.0
_STOP_TIMEOUT_S: Final = 5.0


class Connection:
    """Keeps a producer for a topic.

    `producer` is None while there is none; `partitions` is the topic's count when it was connected.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self.producer: AIOKafkaProducer | None = None
        self.partitions = 0
        self._bootstrap = bootstrap
        self._broken = asyncio.Event()

    def replace(self, producer: AIOKafkaProducer) -> None:
        """Say that `producer` is beyond use."""
        if producer is self.producer:
            self.producer = None
            self._broken.set()

    async def reachable(self) -> bool:
        """Whether a broker answers now."""
        if self.producer is None:
            return False
        async with asyncio.timeout(_REACH_TIMEOUT_S):
            return bool(await self.producer.client.force_metadata_update())

    async def run(self) -> None:
        """Keep a working producer until cancelled; then let it finish what it was given, for a bounded time."""
        retired: set[asyncio.Task[None]] = set()
        try:
            while True:
                producer = await self._connect()
                self._broken.clear()
                self.producer = producer
                try:
                    await self._broken.wait()
                finally:
                    self.producer = None
                    # Ends when the last batch is delivered or refused: while Kafka is away, it does not.
                    stopping = asyncio.create_task(producer.stop())
                    retired.add(stopping)
                    stopping.add_done_callback(retired.discard)
                await asyncio.sleep(_RETRY_S)
        finally:
            if retired:
                await asyncio.wait(retired, timeout=_STOP_TIMEOUT_S)

    async def _connect(self) -> AIOKafkaProducer:
        said = False
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                enable_idempotence=True,
                acks="all",
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
            )
            try:
                await start_whole(producer.start, producer.stop)
                self.partitions = len(await producer.partitions_for(self.topic))
            except BaseException as error:
                await producer.stop()
                if not isinstance(error, KafkaError):
                    raise
                if not said:
                    log.warning("cannot write to %s yet: %s", self.topic, type(error).__name__)
                said = True
                await asyncio.sleep(_RETRY_S)
            else:
                log.info("writing to %d partitions of %s", self.partitions, self.topic)
                return producer
