"""How many events a second the matcher takes, beside the floor: decoding the same events and nothing else.

Run it with ``python -m bench.matching [rules ...]``. Rules ask two or three conditions at once, of fields with few
or many distinct values, so that an event satisfies about two rules however many there are. "exact" asks for equality
only; "mixed" is 60 % equality, 20 % numeric thresholds, 10 % prefixes, 10 % suffixes.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from math import prod
from typing import Final

import msgspec

from libs.filters import All, Condition, Filter, compile_matcher

EVENTS: Final = 20_000
EVENT_BYTES: Final = 894
MATCHES_PER_EVENT: Final = 1.75
DISTINCT: Final = (2, 2, 3, 3, 4, 5, 6, 8, 10, 15, 20, 40, 80, 200, 600, 2000)
SECTIONS: Final = ("complaint", "customer", "order", "delivery")
RANGE: Final = 1_000_000
NOW: Final = datetime(2026, 1, 31, 9, 15, 30, tzinfo=UTC)


def path(field: int) -> tuple[str, str, str]:
    return "body", SECTIONS[field % len(SECTIONS)], f"field{field}"


def text(field: int, choice: int) -> str:
    return f"{choice}-of-{DISTINCT[field]}-{choice}"


def events(chance: random.Random) -> list[bytes]:
    return [event(chance) for _ in range(EVENTS)]


def event(chance: random.Random) -> bytes:
    body: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for field, distinct in enumerate(DISTINCT):
        _, section, name = path(field)
        body[section][name] = text(field, chance.randrange(distinct))
    for section in SECTIONS:
        body[section]["amount"] = chance.randrange(RANGE)
    padding = EVENT_BYTES - len(msgspec.json.encode({**body, "description": ""}))
    return msgspec.json.encode({**body, "description": "x" * padding})


def rules(count: int, chance: random.Random, *, mixed: bool) -> list[Filter]:
    """Rules that each hold for one in `count / MATCHES_PER_EVENT` events, as near as the fields allow."""
    wanted = count / MATCHES_PER_EVENT
    choices = [fields for size in (2, 3) for fields in combinations(range(len(DISTINCT)), size)]
    choices.sort(key=lambda fields: abs(prod(DISTINCT[field] for field in fields) / wanted - 1))
    near = choices[:60]
    return [
        All(parts=tuple(condition(field, chance, mixed=mixed) for field in chance.choice(near))) for _ in range(count)
    ]


def condition(field: int, chance: random.Random, *, mixed: bool) -> Condition:
    distinct = DISTINCT[field]
    choice = chance.randrange(distinct)
    kind = chance.random() if mixed else 0.0
    if kind < 0.6:  # noqa: PLR2004
        return Condition(path=path(field), type="string", operator="EQUAL", value=text(field, choice))
    if kind < 0.8:  # noqa: PLR2004
        share = chance.uniform(0.5, 1.5) / distinct
        amount = (*path(field)[:2], "amount")
        return Condition(path=amount, type="number", operator="MORE", value=RANGE * (1 - share))
    if kind < 0.9:  # noqa: PLR2004
        return Condition(path=path(field), type="string", operator="STARTS_WITH", value=f"{choice}-")
    return Condition(path=path(field), type="string", operator="ENDS_WITH", value=f"-{choice}")


def seconds(run: Callable[[], object]) -> float:
    """CPU time, the best of three runs: on a shared machine the clock on the wall says little."""
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def measure(encoded: Sequence[bytes], count: int, *, mixed: bool) -> str:
    decode = msgspec.json.Decoder().decode
    written = rules(count, random.Random(2), mixed=mixed)  # noqa: S311
    start = time.process_time()
    matcher = compile_matcher((number, where, UTC) for number, where in enumerate(written))
    built_s = time.process_time() - start
    matches = sum(len(matcher.match(decode(one), {}, NOW)) for one in encoded)

    def floor() -> None:
        for one in encoded:
            decode(one)

    def match() -> None:
        for one in encoded:
            matcher.match(decode(one), {}, NOW)

    floor_s, match_s = seconds(floor), seconds(match)
    return (
        f"{'mixed' if mixed else 'exact':>5} {count:>9,} {len(encoded) / match_s:>12,.0f} "
        f"{match_s / len(encoded) * 1e6:>9.2f} {floor_s / len(encoded) * 1e6:>9.2f} {match_s / floor_s:>7.1f} "
        f"{matches / len(encoded):>9.2f} {built_s:>8.2f}"
    )


def main(arguments: Sequence[str]) -> None:
    counts = [int(argument) for argument in arguments] or [10, 1_000, 10_000, 100_000]
    encoded = events(random.Random(1))  # noqa: S311
    print("rules     count     events/s  us/event  us/floor  x floor   matches  build s")  # noqa: T201
    for mixed in (False, True):
        for count in counts:
            print(measure(encoded, count, mixed=mixed), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
