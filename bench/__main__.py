"""``make bench``: how fast the product is, beside floors of the same parts, in one run."""

import argparse
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

import uvloop

from bench import ingress, latency, many, pipeline
from bench.report import Line, write
from bench.stage import Stage, stage


class Extent(NamedTuple):
    """How much is done: rounds, requests of each kind in a round, events, seconds at a rate, changes."""

    rounds: int
    requests: int
    events: int
    seconds: float
    changes: int


_WHOLE: Final = Extent(rounds=5, requests=15_000, events=40_000, seconds=15, changes=50)
_QUICK: Final = Extent(rounds=1, requests=3_000, events=12_000, seconds=3, changes=3)

Measured = Callable[[Stage, Extent], AsyncIterator[Line]]
_PARTS: Final[dict[str, Measured]] = {
    "ingress": lambda on, extent: ingress.measure(on, extent.rounds, extent.requests, extent.seconds),
    "latency": lambda on, extent: latency.measure(on, extent.seconds),
    "normalizer": lambda on, extent: pipeline.normalizing(on, extent.rounds, 2 * extent.events),
    "trigger": lambda on, extent: pipeline.triggering(on, extent.rounds, extent.events),
    "many": lambda on, extent: many.measure(on, extent.changes),
}


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the product beside floors.")
    parser.add_argument("--quick", action="store_true", help="in two minutes, and less exact")
    parser.add_argument("--part", action="append", choices=list(_PARTS), help="only this; may be repeated")
    given = parser.parse_args()
    extent, started = _QUICK if given.quick else _WHOLE, time.monotonic()
    lines: list[Line] = []
    for name in given.part or _PARTS:
        async with stage() as clean:
            async for line in _PARTS[name](clean, extent):
                lines.append(line)
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    minutes = (time.monotonic() - started) / 60
    sys.stdout.write(f"{minutes:.0f} minutes\n")
    if not given.part and not given.quick:
        write(lines, "make bench", f"{_machine()}, {minutes:.0f} minutes")
    return 0


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores that everything shares, load included"


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
