"""A run: one injection after the other under load, each followed by proof that the product has recovered."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer
from msgspec import Struct, field

from deploy.local.process import ProcessFailedError
from libs import topics
from tests.chaos.cluster import Cluster, Say
from tests.chaos.endpoints import Endpoint, make_business_event_of, make_endpoint
from tests.chaos.history import History, Kind, Message, Topics
from tests.chaos.injections import LOSING, Injection, inflict
from tests.chaos.load import STEADY_PER_S, Load
from tests.chaos.readings import read_topics
from tests.chaos.verifier import Finding, verify
from tests.consuming import consumer_of
from tests.e2e.author import Author
from tests.e2e.workflow import settle
from tests.eventually import eventually

_RECOVERY_LIMIT_S: Final = 180
_SETTLE_LIMIT_S: Final = 300
_PROBE_AGAIN_S: Final = 0.3


class Delay(NamedTuple):
    """When a request was received (Unix time), and how long after that a consumer had its trigger."""

    received_s: float
    delay_s: float


class Outcome(Struct, frozen=True, kw_only=True):
    """What one injection came to, from `since_s` to `until_s` (Unix time).

    `recovery_s` is from its end to the proof; None if that never came.
    """

    injection: Injection
    since_s: float
    until_s: float
    statuses: Mapping[int, int]
    recovery_s: float | None


class Result(Struct, kw_only=True):
    """A whole run."""

    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    history: History
    topics: Topics
    delays: Sequence[Delay]
    findings: list[Finding]
    exits: Mapping[str, int]
    seconds: float


async def run(
    cluster: Cluster,
    injections: Sequence[Injection],
    seed: int,
    say: Say,
    steady_per_s: float = STEADY_PER_S,
    turns: Iterator[int] | None = None,
) -> Result:
    """Go through the injections, until one is not recovered from, and compare what was said with what is there."""
    since = time.monotonic()
    rng = random.Random(f"run {seed}")
    async with Author(f"http://{cluster.addresses('config')[0]}") as author:
        await author.sign_in(cluster.admin.email, cluster.admin.password)
        endpoints = {kind: await make_endpoint(author, kind, kind.name.lower()) for kind in Kind}
        # Last, because changes reach the services in order: once it triggers everywhere, all others are in effect.
        probed = await make_endpoint(author, Kind.PLAIN, "probe")
        history = History(kinds={one.id: one.kind for one in (*endpoints.values(), probed)})
        load = Load(endpoints, cluster.addresses("ingress"), history, rng, steady_per_s, turns)
        async with _triggers_of(cluster.kafka.address, probed) as seen:
            course = _Course(cluster, author, load, history, probed, seen, say)
            await course.begin()
            for injection in injections:
                outcome = await course.go_through(injection, rng)
                if outcome.recovery_s is None:
                    break
            with suppress(TimeoutError):  # what is missing then is found lost
                await settle(cluster.kafka.address, within_s=_SETTLE_LIMIT_S)
    on_topics = await read_topics(cluster.kafka.address, cluster.state / "kafka" / "data")
    return Result(
        seed=seed,
        outcomes=course.outcomes,
        history=history,
        topics=on_topics,
        delays=seen.delays,
        findings=verify(history, on_topics),
        exits=dict(cluster.exits),
        seconds=time.monotonic() - since,
    )


class _Course:
    """Goes through injections, and remembers what came of them."""

    def __init__(
        self,
        cluster: Cluster,
        author: Author,
        load: Load,
        history: History,
        probed: Endpoint,
        seen: "_Seen",
        say: Say,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._cluster = cluster
        self._author = author
        self._load = load
        self._history = history
        self._probed = probed
        self._seen = seen
        self._say = say

    async def begin(self) -> None:
        """Wait until every ingress knows what was published: before that it answers 404."""
        for ingress in range(len(self._cluster.of("ingress"))):
            await eventually(partial(self._is_live, ingress), within_s=_RECOVERY_LIMIT_S)

    async def _is_live(self, ingress: int) -> bool:
        message = Message(integration=self._probed.id, groups=("probe",), injection=-1)
        is_live = (await self._load.attempt(self._probed, message, ingress)).status == 200
        if is_live:
            self._history.messages.append(message)
        return is_live

    async def go_through(self, injection: Injection, rng: random.Random) -> Outcome:
        before, since_s = Counter(self._load.statuses), time.time()
        if injection.fault in LOSING:
            self._history.losses.append(injection.number)
        stop = asyncio.Event()
        recovery_s = None
        async with asyncio.TaskGroup() as meanwhile:
            meanwhile.create_task(self._load.run(injection.mode, injection.number, stop))
            await asyncio.sleep(rng.uniform(0.3, 1.5))
            change = meanwhile.create_task(self._change(injection.number))
            try:
                if injection.fault in LOSING:  # what is extra then belongs to this injection, and to none before
                    await settle(self._cluster.kafka.address, within_s=_RECOVERY_LIMIT_S)
                await inflict(self._cluster, injection, rng)
                healed = time.monotonic()
                async with asyncio.timeout(_RECOVERY_LIMIT_S):
                    await self._recover(injection.number, await change)
                recovery_s = time.monotonic() - healed
            except (TimeoutError, ProcessFailedError) as error:
                self._say(f"{injection}: not recovered: {error}")
                change.cancel()
            finally:
                stop.set()
        statuses = Counter(self._load.statuses)
        statuses.subtract(before)
        outcome = Outcome(
            injection=injection,
            since_s=since_s,
            until_s=time.time(),
            statuses=dict(statuses),
            recovery_s=recovery_s,
        )
        self.outcomes.append(outcome)
        took = "never" if recovery_s is None else f"in {recovery_s:.1f} s"
        total = sum(self._load.statuses.values())
        told = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()) if count)
        self._say(f"{injection}; {told}; recovered {took}; {total} requests")
        return outcome

    async def _change(self, number: int) -> str:
        """Define something while things are broken: what config answers 2xx has to reach the other services."""
        made: list[str] = []

        async def is_made() -> bool:
            with suppress(httpx.HTTPError):
                made.append(await make_business_event_of(self._author, self._probed, number))
            return bool(made)

        await eventually(is_made, within_s=_RECOVERY_LIMIT_S, said="config takes no change")
        return made[0]

    async def _recover(self, number: int, business_event: str) -> None:
        """Return once every service is ready, and a request to each ingress has triggered what was defined last."""
        for ingress in range(len(self._cluster.of("ingress"))):
            sent: set[tuple[str, str]] = set()
            while not sent & self._seen.matches:
                message = Message(integration=self._probed.id, groups=("probe",), injection=number)
                self._history.messages.append(message)
                attempt = await self._load.attempt(self._probed, message, ingress)
                if attempt.status == 200:
                    sent.add((attempt.request_id, business_event))
                await asyncio.sleep(_PROBE_AGAIN_S)
        await eventually(self._cluster.ready, within_s=_RECOVERY_LIMIT_S, said="not everything is ready")


class _Trigger(msgspec.Struct, rename="camel"):
    business_event: "_Ref"
    event: "_Ref"


class _Ref(msgspec.Struct):
    id: str


class _Seen:
    """What a workflow engine has seen of the triggers so far, growing as they appear.

    `matches` are the (event, Business Event) of those of the integration that is probed.
    """

    def __init__(self) -> None:
        self.matches: set[tuple[str, str]] = set()
        self.delays: list[Delay] = []


@asynccontextmanager
async def _triggers_of(bootstrap: str, endpoint: Endpoint) -> AsyncIterator[_Seen]:
    seen = _Seen()
    async with consumer_of(bootstrap, topics.TRIGGERS) as consumer:
        following = asyncio.create_task(_follow(consumer, endpoint.id.encode(), seen))
        try:
            yield seen
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _follow(consumer: AIOKafkaConsumer, integration: bytes, seen: _Seen) -> None:
    async for record in consumer:
        received_s = record.timestamp / 1000  # the time of receipt is every record's time
        seen.delays.append(Delay(received_s, time.time() - received_s))
        if integration in record.value:
            trigger = msgspec.json.decode(record.value, type=_Trigger)
            seen.matches.add((trigger.event.id, trigger.business_event.id))
