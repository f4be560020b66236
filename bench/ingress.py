"""What a request costs the ingress, beside what it cannot cost less, and how long its sender waits.

All servers run all the time and are asked in turn, so that a round compares what happened within seconds.
"""

import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from bench.definitions import integration, of_meta, of_tokens, publish, token_and_keys
from bench.load import Sent, as_fast_as_answered, at_a_rate
from bench.machine import cpu_s
from bench.report import Line, at_most, spread
from bench.requests import bearing, bodies, fresh, mostly_known, posts, signed
from bench.stage import Stage, running
from deploy.local.process import Process

_CONNECTIONS: Final = (64, 256)
_KNOWN: Final = 5_000
_DUPLICATES: Final = 0.9
_PER_S: Final = 2_000.0
_GOOD: Final = {200, 204}


class Case(NamedTuple):
    """A kind of request to a server; `requests` makes those of a round."""

    server: Process
    requests: Callable[[int], Iterator[bytes]]


class Round(NamedTuple):
    """What one kind of request came to in one round."""

    cpu_us: float
    sent: Sent


async def measure(stage: Stage, rounds: int, count: int, rate_s: float) -> AsyncIterator[Line]:
    """Send `count` requests of each kind in each round, then for `rate_s` seconds at a fixed rate."""
    async with AsyncExitStack() as stack:
        cases = await _cases(stage, stack)
        took: defaultdict[str, list[Round]] = defaultdict(list)
        for number in range(-1, rounds):  # the first warms up
            for name, case in cases.items():
                one = await _round(case, number, count)
                if number >= 0:
                    took[name].append(one)
        for line in _costs(took):
            yield line
        for connections in _CONNECTIONS:
            sent = await as_fast_as_answered(
                cases["none"].server.address, cases["none"].requests(0), count, connections
            )
            yield _waits(f"no authentication, {connections} connections, as fast as answered", sent)
        sent = await at_a_rate(
            cases["none"].server.address,
            cases["none"].requests(0),
            per_s=_PER_S,
            duration_s=rate_s,
            connections=_CONNECTIONS[0],
        )
        p50, p99 = sent.quantile_ms(50), sent.quantile_ms(99)
        what = f"{_PER_S:,.0f} requests a second, no authentication: p99 until the answer"
        yield Line(what, f"{p99:.1f} ms (p50 {p50:.1f} ms)", "<= 10 ms", _all_good(sent) and p99 <= 10)  # noqa: PLR2004


async def _cases(stage: Stage, stack: AsyncExitStack) -> dict[str, Case]:
    plain, deduplicating = integration(1), integration(2, deduplicates=True)
    meta, tokens = of_meta(3), of_tokens(4)
    token, keys = token_and_keys()
    await publish(stage.kafka, [plain, deduplicating, meta, tokens, *keys])
    empty, produce, ingress = [
        await stack.enter_async_context(running(one))
        for one in (stage.floor("empty"), stage.floor("produce"), stage.service("ingress"))
    ]
    return {
        "empty": Case(empty, lambda _: posts(plain, bodies(fresh()))),
        "produce": Case(produce, lambda _: posts(plain, bodies(fresh()))),
        "none": Case(ingress, lambda _: posts(plain, bodies(fresh()))),
        "tokens": Case(ingress, lambda _: posts(tokens, bodies(fresh()), bearing(token))),
        "deduplicating": Case(ingress, lambda _: posts(deduplicating, bodies(fresh()))),
        "meta": Case(ingress, lambda _: posts(meta, bodies(fresh()), signed)),
        "duplicates": Case(
            ingress, lambda number: posts(meta, bodies(mostly_known(_KNOWN, _DUPLICATES, number + 2)), signed)
        ),
    }


async def _round(case: Case, number: int, count: int) -> Round:
    before = cpu_s(case.server.pid)
    sent = await as_fast_as_answered(case.server.address, case.requests(number), count, _CONNECTIONS[0])
    if not _all_good(sent):
        raise RuntimeError(f"{case.server.name} answered {dict(sent.statuses)}: see {case.server.log}")
    return Round((cpu_s(case.server.pid) - before) / count * 1e6, sent)


def _costs(took: dict[str, list[Round]]) -> Iterator[Line]:
    names = {
        "empty": "floor: same server, an empty application",
        "produce": "floor: same server, produce only",
        "none": "ingress, no authentication",
        "tokens": "ingress, JWT",
        "deduplicating": "ingress, no authentication, deduplication, new events",
        "meta": "ingress, Meta's signature, deduplication, new events",
        "duplicates": "the same, 90 % duplicates",
    }
    for name, what in names.items():
        cpu = [one.cpu_us for one in took[name]]
        per_s = statistics.median(one.sent.per_s for one in took[name])
        yield Line(f"{what}: CPU a request", f"{spread(cpu, ' us')}; {per_s:,.0f} a second")
    yield at_most("ingress, no authentication / produce only", _ratios(took, "none", "produce"), 1.5)
    yield at_most("ingress, Meta's signature and deduplication / produce only", _ratios(took, "meta", "produce"), 2)
    yield at_most("ingress, JWT / no authentication", _ratios(took, "tokens", "none"), 1.3)
    yield at_most("ingress, 90 % duplicates / new events", _ratios(took, "duplicates", "meta"), 0.67)


def _ratios(took: dict[str, list[Round]], of: str, to: str) -> list[float]:
    return [one.cpu_us / other.cpu_us for one, other in zip(took[of], took[to], strict=True)]


def _waits(what: str, sent: Sent) -> Line:
    p50, p99 = sent.quantile_ms(50), sent.quantile_ms(99)
    measured = f"{p99 / p50:.2g} ({p99:.1f} ms / {p50:.1f} ms); {sent.per_s:,.0f} a second"
    return Line(f"{what}: p99 / p50", measured, "<= 3", _all_good(sent) and p99 <= 3 * p50)


def _all_good(sent: Sent) -> bool:
    return sent.statuses.keys() <= _GOOD
