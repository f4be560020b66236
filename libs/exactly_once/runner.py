"""The consumer of a stage: FastStream brings batches, each owned partition's portions become transactions."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError
from faststream.asgi import AsgiFastStream
from faststream.middlewares import AckPolicy
from faststream.specification import AsyncAPI
from msgspec import Struct

from libs import telemetry, topics
from libs.clients import start_whole
from libs.exactly_once.breaker import WINDOW_RECORDS, Breaker, MostRecordsFailError, failures
from libs.exactly_once.broker import Hook, StageBroker, message_of, records_of
from libs.exactly_once.documentation import payload
from libs.exactly_once.outcomes import DeadLetter, Decision, Outcome, Output, Record, Stage, outputs_of, portions
from libs.exactly_once.partitions import HEARTBEAT_INTERVAL_MS, SESSION_TIMEOUT_MS, Owned, Partitions
from libs.exactly_once.progress import Progress, StandstillError
from libs.exactly_once.reports import report
from libs.exactly_once.transactions import Source, write
from libs.health import Check, answering, health_routes
from libs.lifecycle import Lifecycle
from libs.settings import ServiceSettings

log = logging.getLogger(__name__)

_MAX_RECORDS: Final = 1000
# How long an idle consumer pauses between two looks at what has been fetched.
_IDLE_MS: Final = 5
# A fetch waits for any partition, so one that joins late waits for it.
_FETCH_WAIT_MS: Final = 100
# A transaction is small enough to be written well within its time limit, on a slow machine too. Only one record
# with all its outputs cannot be divided.
_INPUT_LIMIT_BYTES: Final = 4 * 1024 * 1024
_OUTPUT_LIMIT_BYTES: Final = 16 * 1024 * 1024
_CONNECT_AGAIN_S: Final = 1.0
_FINISH_LIMIT_S: Final = 3.0
_ASK_LIMIT_S: Final = 2.0
_WATCH_INTERVAL_S: Final = 10.0


class ExactlyOnce:
    """Runs a stage inside a FastStream application that starts and stops `broker`."""

    def __init__(self, stage: Stage, settings: ServiceSettings, lifecycle: Lifecycle) -> None:
        self._stage = stage
        self._lifecycle = lifecycle
        self._source = Source(bootstrap=settings.kafka, service=stage.service, topic=stage.topic)
        self._idle = asyncio.Event()
        self._idle.set()
        self._breaker = Breaker()
        self._partitions = Partitions(self._source, lambda: self._subscriber.consumer, self._idle)
        self.broker = StageBroker(settings.kafka, start=self._start, close=self._close)
        self._subscriber = self.broker.subscriber(
            stage.topic,
            title=stage.topic,
            description=f"Read by the {stage.service} service.",
            batch=True,
            group_id=self._source.group,
            group_instance_id=settings.instance_id or None,
            listener=self._partitions,
            parser=message_of,
            decoder=records_of,
            no_reply=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_records=_MAX_RECORDS,
            batch_timeout_ms=_IDLE_MS,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=topics.RECORD_LIMIT_BYTES,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
        )
        self._subscriber(self._handle)

    def application(
        self,
        *,
        ready: Mapping[str, Check],
        writes: Mapping[str, type[Struct]],
        on_startup: Sequence[Hook] = (),
        after_shutdown: Sequence[Hook] = (),
    ) -> AsgiFastStream:
        """The ASGI application that runs the stage: health, metrics, and its AsyncAPI document.

        `ready` adds to the checks of ``/readyz``, `writes` documents the messages on the output topics.
        """
        for topic, message in writes.items():
            self.broker.publisher(topic, title=topic, schema=payload(message))
        application = AsgiFastStream(
            self.broker,
            logger=None,
            asgi_routes=health_routes(
                self._stage.service,
                alive=lambda: self._lifecycle.alive,
                ready={"kafka": self._reachable, **ready},
            ),
            specification=AsyncAPI(title=f"Inlet {self._stage.service}"),
            on_startup=on_startup,
            on_shutdown=[self._lifecycle.close],
            after_shutdown=after_shutdown,
        )

        # FastStream's own pages load scripts from elsewhere, and one of them would let anybody publish.
        async def document() -> tuple[int, bytes, str]:
            return 200, application.schema.to_specification().to_json().encode(), "application/json"

        application.mount("/asyncapi.json", answering(document))
        return application

    async def _reachable(self) -> bool:
        """Whether consumption has started and Kafka answers now."""
        async with asyncio.timeout(_ASK_LIMIT_S):
            await self._partitions.ask()
        return self._subscriber.running

    async def _start(self, start_broker: Hook) -> None:
        """Start reading once the stage is ready and Kafka is there. A failure to start ends the process."""
        try:
            await self._stage.ready()
            if not await self._started(start_broker):
                log.warning("waiting for Kafka at %s and its topic %s", self._source.bootstrap, self._source.topic)
                while not await self._started(start_broker):  # noqa: ASYNC110 nobody tells when Kafka is there
                    await asyncio.sleep(_CONNECT_AGAIN_S)
            self._lifecycle.spawn("progress", self._watch())
        except Exception as error:  # noqa: BLE001 FastStream would go on serving without a consumer
            self._lifecycle.fail(error)

    async def _started(self, start_broker: Hook) -> bool:
        try:
            await self._partitions.connect()
            await start_whole(start_broker, self._subscriber.stop)
        except (KafkaConnectionError, UnknownTopicOrPartitionError):
            return False
        return True

    async def _watch(self) -> None:
        progress = Progress()
        while True:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            try:
                async with asyncio.timeout(_ASK_LIMIT_S):
                    waiting = await self._partitions.waiting()
            except (KafkaError, IllegalStateError, TimeoutError):
                waiting = {}  # Kafka is away or partitions are moving: nothing is known to wait
            if stuck := progress.standing_still(asyncio.get_running_loop().time(), waiting):
                raise StandstillError(f"partitions {stuck} of {self._source.topic} have records but make no progress")

    async def _close(self) -> None:
        """Stop reading; the portion in hand is committed, or repeated by the next owner."""
        await self._partitions.close(_FINISH_LIMIT_S)

    async def _handle(self, records: object) -> None:
        """Take one batch of many partitions. Never raises: the consumer would pass over the batch."""
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in cast("tuple[Record, ...]", records):
            by_partition[record.partition].append(record)
        self._idle.clear()
        try:
            await asyncio.gather(*(self._advance(partition, some) for partition, some in by_partition.items()))
        finally:
            self._idle.set()

    async def _advance(self, partition: int, records: Sequence[Record]) -> None:
        owned = self._partitions.owned.get(partition)
        if owned is None:
            return
        new = [record for record in records if record.offset >= owned.position]
        try:
            for portion in portions(new, lambda record: len(record.value or b""), _INPUT_LIMIT_BYTES):
                await self._work_off(partition, owned, portion)
        except Exception as error:  # noqa: BLE001 whatever failed, the outcome is unknown and the remedy is the same
            self._partitions.lose(partition, owned, error)

    async def _work_off(self, partition: int, owned: Owned, portion: Sequence[Record]) -> None:
        """Decide and commit, until all is done or the partition is revoked: then the next owner goes on there."""
        rest = portion
        while rest:
            decided = await self._decide(rest)
            rest = rest[len(decided) :]
            for some in portions(decided, _Decided.weight, _OUTPUT_LIMIT_BYTES):
                if self._partitions.owned.get(partition) is not owned:
                    return
                await self._commit(partition, owned, some)

    # The order of the steps is the delivery guarantee. Before these, `Partitions` has
    # 1. fenced every earlier owner of the partition, and then
    # 2. read where the last committed transaction ended.
    # Any failure leaves the outcome to Kafka, and the partition starts again at 1.

    async def _decide(self, portion: Sequence[Record]) -> list["_Decided"]:
        # 3. Decide about the records. What a step does outside Kafka it must be able to do again.
        decisions = await self._stage.step(portion)
        self._stop_if_most_fail(portion, [decision.outcome for decision in decisions])
        return [
            _Decided(record, decision, outputs_of(self._stage.service, record, decision.outcome))
            for record, decision in zip(portion, decisions, strict=False)  # all, or the first of them
        ]

    async def _commit(self, partition: int, owned: Owned, decided: Sequence["_Decided"]) -> None:
        # 4. One transaction: what the records lead to, what is told of them, and that they are done.
        outputs = [output for one in decided for output in one.outputs]
        last = decided[-1].record
        done = (TopicPartition(self._source.topic, partition), last.offset + 1)
        outputs += report(last, [one.decision.ended for one in decided])
        await write(owned.producer, outputs, done, self._source.group)
        # 5. Only now are they done.
        owned.position = last.offset + 1
        self._note([one.record for one in decided], [one.decision.outcome for one in decided])

    def _stop_if_most_fail(self, portion: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        if self._breaker.trips(failures(portion, outcomes)):
            first = portion[0]
            error = MostRecordsFailError(
                f"more than half of the last {WINDOW_RECORDS} records of {first.topic} cannot be read, so this version "
                f"is probably not the one that wrote them; partition {first.partition} waits at offset {first.offset}. "
                f"Run the version that matches, or move the group {self._source.group} past the records"
            )
            self._lifecycle.fail(error)
            raise error

    def _note(self, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        self._breaker.note(failures(records, outcomes))
        telemetry.TRANSACTIONS.labels("committed").inc()
        for outcome in outcomes:
            if isinstance(outcome, DeadLetter):
                telemetry.DEAD_LETTERS.labels(outcome.cause).inc()
        self._stage.committed(outcomes)


class _Decided(NamedTuple):
    record: Record
    decision: Decision
    outputs: Sequence[Output]

    def weight(self) -> int:
        return sum(len(output.value or b"") for output in self.outputs)
