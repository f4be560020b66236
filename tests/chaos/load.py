"""Senders that do as docs/sending.md says, and keep a record of everything."""

import asyncio
import enum
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.chaos.endpoints import Endpoint
from tests.chaos.history import Attempt, History, Kind, Message
from tests.chaos.sender import Answer, Connection

_SENDERS: Final = 96
STEADY_PER_S: Final = 150.0
_STORM_PER_S: Final = 400.0
_AGAIN_S: Final = 0.4
_GIVE_UP_S: Final = 150.0
_REMEMBERED: Final = 400
_REPEATED: Final = 0.15
_KINDS: Final = {Kind.PLAIN: 3, Kind.REJECT: 4, Kind.ACCEPT: 2, Kind.PARTS: 1}


class Mode(enum.StrEnum):
    """What senders do meanwhile."""

    IDLE = "idle"
    STEADY = "steady"
    STORM = "storm"


class Load:
    """Sends to the ingresses in turn, or as `turns` says. Requests and answers go into `history` as they happen."""

    def __init__(
        self,
        endpoints: Mapping[Kind, Endpoint],
        ingresses: Sequence[str],
        history: History,
        rng: random.Random,
        steady_per_s: float = STEADY_PER_S,
        turns: Iterator[int] | None = None,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self._endpoints = endpoints
        self._history = history
        self._ingresses = ingresses
        self._rng = rng
        self._steady_per_s = steady_per_s
        self._numbers = itertools.count()
        self._pools: list[list[Connection]] = [[] for _ in ingresses]
        self._turns = turns or itertools.cycle(range(len(ingresses)))
        self._known: deque[tuple[Kind, tuple[str, ...]]] = deque(maxlen=_REMEMBERED)

    async def run(self, mode: Mode, injection: int, stop: asyncio.Event) -> None:
        """Send until `stop` is set; return once every message is delivered, or its sender has given up."""
        if mode is Mode.IDLE:
            await stop.wait()
            return
        storm = f"storm-{injection}"
        beat = 1 / (_STORM_PER_S if mode is Mode.STORM else self._steady_per_s)
        room = asyncio.Semaphore(_SENDERS)
        due = time.monotonic()
        async with asyncio.TaskGroup() as senders:
            while not stop.is_set():
                await room.acquire()
                kind, groups = self._storm(storm) if mode is Mode.STORM else self._next()
                sending = senders.create_task(self.deliver(kind, groups, injection))
                sending.add_done_callback(lambda _: room.release())
                due = max(due + beat, time.monotonic() - 1)
                await asyncio.sleep(due - time.monotonic())
        self.close()

    async def deliver(self, kind: Kind, groups: tuple[str, ...], injection: int) -> None:
        """Send a message, and again where that is safe, until it is known to be taken."""
        message = Message(integration=self._endpoints[kind].id, groups=groups, injection=injection)
        self._history.messages.append(message)
        until = time.monotonic() + _GIVE_UP_S
        while True:
            attempt = await self.attempt(self._endpoints[kind], message)
            if not attempt.is_open or kind is Kind.PLAIN or time.monotonic() > until:
                return
            await asyncio.sleep(_AGAIN_S * self._rng.uniform(0.5, 1.5))

    async def attempt(self, endpoint: Endpoint, message: Message, ingress: int | None = None) -> Attempt:
        """One request, to any ingress or to one of them."""
        number = f"a{next(self._numbers)}"
        attempt = Attempt(id=number, at_s=time.monotonic(), ended_s=float("inf"), status=0)
        message.attempts.append(attempt)
        body = endpoint.body(number, message.groups, message.injection)
        answer = await self._post(next(self._turns) if ingress is None else ingress, endpoint, body)
        attempt.ended_s = time.monotonic()
        attempt.status, attempt.request_id = answer
        self.statuses[answer.status] += 1
        return attempt

    def close(self) -> None:
        for pool in self._pools:
            while pool:
                pool.pop().close()

    async def _post(self, ingress: int, endpoint: Endpoint, body: bytes) -> Answer:
        pool = self._pools[ingress]
        connection = pool.pop() if pool else Connection(self._ingresses[ingress])
        try:
            return await connection.post(endpoint.path, body, endpoint.headers(body))
        finally:
            pool.append(connection)

    def _next(self) -> tuple[Kind, tuple[str, ...]]:
        """Something new, or what was sent lately, or long ago."""
        if self._known and self._rng.random() < _REPEATED:
            return self._rng.choice(self._known) if self._rng.random() < 1 / 2 else self._known[-1]
        [kind] = self._rng.choices(list(_KINDS), list(_KINDS.values()))
        parts = self._rng.randint(1, 4) if kind is Kind.PARTS else 1
        groups = tuple([f"g{next(self._numbers)}" for _ in range(parts)])
        if kind is Kind.PARTS and self._rng.random() < _REPEATED:  # half of it is known, half is new
            groups += next((some for known, some in reversed(self._known) if known is Kind.PARTS), ())[:1]
        if kind is not Kind.PLAIN:
            self._known.append((kind, groups))
        return kind, groups

    def _storm(self, name: str) -> tuple[Kind, tuple[str, ...]]:
        """One hash, or nearly: its parts, and a few requests that are told apart by nothing."""
        [kind] = self._rng.choices([Kind.REJECT, Kind.ACCEPT, Kind.PARTS, Kind.PLAIN], [60, 30, 5, 5])
        return kind, (name,)
