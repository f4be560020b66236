"""Senders: as fast as they are answered, or at a fixed rate. Keep-alive connections, one request at a time on each.

It parses just enough of an answer to know its status and where it ends, so that most of the processor is left to what
is measured.
"""

import asyncio
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct, field

# Given the answer's head and the moment it was complete.
OnAnswer = Callable[[bytes, float], None]

_TICK_S: Final = 0.001
_DRAIN_S: Final = 10.0
_LIMIT_S: Final = 120.0
_NO_CONTENT: Final = 204


class Sent(Struct, kw_only=True):
    """What came of some requests. `latencies_s` are from when a request was due until its answer was complete."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.elapsed_s

    def quantile_ms(self, percent: int) -> float:
        """A percentile of the latencies, 1 to 99."""
        return statistics.quantiles(self.latencies_s, n=100, method="inclusive")[percent - 1] * 1000


class _Sender(asyncio.Protocol):
    """One connection. Calls `free` when it can take a request."""

    def __init__(self, sent: Sent, free: Callable[["_Sender"], None], on_answer: OnAnswer | None) -> None:
        self._sent = sent
        self._free = free
        self._on_answer = on_answer
        self._buffer = b""
        self._due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as for every TCP
        self.transport = transport
        self._free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None

    def send(self, request: bytes, due: float) -> None:
        if self.transport is None:
            raise ConnectionError("the server has closed a connection: see its log")
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        status = int(head[9:12])
        if status != _NO_CONTENT:
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
        now = time.perf_counter()
        self._buffer = b""
        self._sent.statuses[status] += 1
        self._sent.latencies_s.append(now - self._due)
        if self._on_answer is not None:
            self._on_answer(head, now)
        self._free(self)


async def as_fast_as_answered(address: str, requests: Iterator[bytes], count: int, connections: int) -> Sent:
    """Send so many requests; each connection sends its next one as soon as it has an answer."""
    sent, left, all_answered = Sent(), count, asyncio.Event()

    def free(sender: _Sender) -> None:
        nonlocal left
        if len(sent.latencies_s) == count:
            all_answered.set()
        if left:
            left -= 1
            sender.send(next(requests), time.perf_counter())

    start = time.perf_counter()
    senders = await _connect(address, connections, sent, free, None)
    async with asyncio.timeout(_LIMIT_S):
        await all_answered.wait()
    sent.elapsed_s = time.perf_counter() - start
    _close(senders)
    return sent


async def at_a_rate(  # noqa: PLR0913 what there is to choose
    address: str,
    requests: Iterator[bytes],
    *,
    per_s: float,
    duration_s: float,
    connections: int,
    on_answer: OnAnswer | None = None,
) -> Sent:
    """Send at a rate, whatever the answers do.

    A latency counts from when its request was due, also where it then had to wait for a connection: a server that
    stalls is not asked less often, and each request of the meantime has waited (no coordinated omission).
    """
    sent, idle, due = Sent(), deque[_Sender](), deque[float]()

    def free(sender: _Sender) -> None:
        if due:
            sender.send(next(requests), due.popleft())
        else:
            idle.append(sender)

    senders = await _connect(address, connections, sent, free, on_answer)
    start = time.perf_counter()
    made, count = 0, int(per_s * duration_s)
    while made < count:
        reached = min(count, int((time.perf_counter() - start) * per_s) + 1)
        for number in range(made, reached):
            due.append(start + number / per_s)
            if idle:
                free(idle.popleft())
        made = reached
        await asyncio.sleep(_TICK_S)
    async with asyncio.timeout(_DRAIN_S):
        while len(sent.latencies_s) < count:  # noqa: ASYNC110 only here
            await asyncio.sleep(_TICK_S)
    sent.elapsed_s = time.perf_counter() - start
    _close(senders)
    return sent


async def _connect(
    address: str, connections: int, sent: Sent, free: Callable[[_Sender], None], on_answer: OnAnswer | None
) -> list[_Sender]:
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: _Sender(sent, free, on_answer), host, int(port)))[1]
        for _ in range(connections)
    ]


def _close(senders: list[_Sender]) -> None:
    for sender in senders:
        if sender.transport is not None:
            sender.transport.close()
