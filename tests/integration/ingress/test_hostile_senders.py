"""Many hostile senders at once: others are served meanwhile, and the process keeps within its bounds."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from libs import topics
from tests.integration.ingress.serving import Ingress, path_of, serving
from tests.integration.ingress.wire import Wire, wire_to

MIB = 1024 * 1024
CONNECTIONS = 5_200
INTAKE = 16 * MIB


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """Each connection is a file of the senders, too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 2 * CONNECTIONS), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_bounded(
    kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ingress]:
    await topics.ensure_topics(kafka)
    limits = {"INLET_INTAKE_LIMIT_BYTES": str(INTAKE), "INLET_CONNECTIONS_LIMIT": str(CONNECTIONS)}
    limits["INLET_BODY_IDLE_TIMEOUT_S"] = "3"
    async with serving(kafka, redis_url, tmp_path_factory.mktemp("bounded"), settings=limits) as ingress:
        yield ingress


@pytest_asyncio.fixture
async def bounded(shared_bounded: Ingress) -> AsyncIterator[Ingress]:
    """The shared ingress, with a client of this test's event loop."""
    ingress = Ingress(shared_bounded.process, shared_bounded.kafka, shared_bounded.log)
    yield ingress
    await ingress.http.aclose()


def memory_of(ingress: Ingress, line: str) -> int:
    """What is resident (VmRSS), or was at most since the peak was forgotten (VmHWM), in bytes."""
    lines = Path(f"/proc/{ingress.process.pid}/status").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith(line))


@contextmanager
def growing_by_at_most(ingress: Ingress, size: int) -> Iterator[None]:
    Path(f"/proc/{ingress.process.pid}/clear_refs").write_text("5")  # forgets the peak, see proc(5)
    before = memory_of(ingress, "VmRSS")
    yield
    assert memory_of(ingress, "VmHWM") - before < size


async def opened(ingress: Ingress, stack: AsyncExitStack, count: int, begin: Callable[[Wire], object]) -> list[Wire]:
    """So many connections, each with what `begin` writes."""
    wires: list[Wire] = []
    for _ in range(count):
        wire = await stack.enter_async_context(wire_to(ingress.port))
        begin(wire)
        await wire.writer.drain()
        wires.append(wire)
    return wires


async def is_served(ingress: Ingress, integration: str) -> bool:
    return (await ingress.send(integration, b'{"id": 1}')).status_code == 200


async def test_five_thousand_idle_connections_keep_nobody_out(bounded: Ingress) -> None:
    integration = await bounded.publish()
    with growing_by_at_most(bounded, 5_000 * 30 * 1024):
        async with AsyncExitStack() as stack:
            await opened(bounded, stack, 5_000, lambda _: None)
            assert await is_served(bounded, integration)
            over = await opened(bounded, stack, CONNECTIONS - 5_000 + 50, lambda _: None)
            over[-1].head(integration, "Content-Length: 2")
            over[-1].writer.write(b"{}")
            assert (await over[-1].reply()).status == 200


async def test_bodies_that_stop_take_no_more_than_their_room(bounded: Ingress) -> None:
    integration = await bounded.publish()
    part = b"x" * (2 * MIB)

    def begin(wire: Wire) -> None:
        wire.head(integration, f"Content-Length: {3 * MIB}")
        wire.writer.write(part)

    with growing_by_at_most(bounded, 6 * INTAKE):
        async with AsyncExitStack() as stack:
            wires = await opened(bounded, stack, 60, begin)
            assert await is_served(bounded, integration)
            assert (await bounded.send(integration, b'{"a":"%s"}' % part)).status_code == 200
            statuses = Counter([(await wire.reply()).status for wire in wires])
            assert statuses.keys() == {408, 503}
            assert statuses[408] <= INTAKE // len(part)


async def test_heads_that_do_not_end_are_bounded_and_others_are_served(bounded: Ingress) -> None:
    integration = await bounded.publish()

    def begin(wire: Wire) -> None:
        wire.writer.write(f"POST {path_of(integration)} HTTP/1.1\r\n".encode() + b"a: b\r\n" * 10_000)

    with growing_by_at_most(bounded, 200 * MIB):
        async with AsyncExitStack() as stack:
            wires = await opened(bounded, stack, 1_500, begin)
            assert await is_served(bounded, integration)
            assert (await wires[-1].reply()).status == 503


async def test_thousands_of_requests_at_once_on_each_of_many_connections_are_not_all_queued(bounded: Ingress) -> None:
    integration = await bounded.publish()

    def begin(wire: Wire) -> None:
        wire.head(integration, "Content-Length: 2")
        wire.writer.write(b"{}" + b"GET / HTTP/1.1\r\n\r\n" * 12_000)

    with growing_by_at_most(bounded, 100 * MIB):
        async with AsyncExitStack() as stack:
            await opened(bounded, stack, 100, begin)
            assert await is_served(bounded, integration)


async def test_bodies_that_are_costly_to_read_hold_nobody_up_for_long(bounded: Ingress) -> None:
    integration = await bounded.publish()
    hostile = [
        b'{"a":[%s]}' % b",".join([b"1e300"] * 500_000),
        b'{"a":[%s]}' % b",".join([b"[]"] * 1_000_000),
        b'{"a":%s}' % (b"[" * 1_500_000 + b"]" * 1_500_000),
        b"{%s}" % b",".join(b'"%d":"x"' % number for number in range(200_000)),
    ]
    answers = await asyncio.gather(*(bounded.send(integration, one) for one in [*hostile, b'{"id": 1}']))
    assert [answer.status_code for answer in answers] == [400] * len(hostile) + [200]
