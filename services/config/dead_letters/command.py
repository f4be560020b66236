"""The operator's command: dead letters of all workspaces. See `arguments` for what it takes."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from libs import settings
from libs.clients import check_brokers
from libs.escaping import escaped
from services.config.dead_letters import arguments, printing
from services.config.dead_letters.letters import Action, Place
from services.config.dead_letters.reading import opened
from services.config.dead_letters.resolving import AT_ONCE, Order, can, fencing, resolve
from services.config.errors import RequestError, UnavailableError

_ACTIONS: Final[dict[str, Action]] = {"replay": "replayed", "discard": "discarded"}
_FAILED: Final = 1
_NOTHING: Final = 3
_SAY_AFTER_S: Final = 1.0


class DeadLettersSettings(Struct, frozen=True, kw_only=True):
    """What ``python -m services dead-letters`` reads."""

    kafka: str


def main(given: Sequence[str]) -> int:
    """Run the command; the process's exit code.

    Raises:
        SettingsError: see `DeadLettersSettings` and `check_brokers`.
    """
    chosen = arguments.parser().parse_args(given)
    kafka = settings.read(DeadLettersSettings).kafka
    check_brokers(kafka)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is said below, once
    try:
        return asyncio.run(_run(kafka, chosen))
    except RequestError as error:
        hint = f" INLET_KAFKA is {kafka}." if isinstance(error, UnavailableError) else ""
        _say(escaped(f"{error.message}{hint}"))
        return _FAILED
    except BrokenPipeError:
        return _FAILED


async def _run(kafka: str, chosen: argparse.Namespace) -> int:
    if chosen.command == "list":
        return await _list(kafka, chosen)
    if chosen.command == "inspect":
        return await _inspect(kafka, chosen.place, with_body=chosen.body)
    return await _resolve(kafka, chosen)


async def _list(kafka: str, chosen: argparse.Namespace) -> int:
    wanted = arguments.wanted(chosen)
    async with opened(kafka) as letters:
        found = (await letters.page(wanted, chosen.limit + 1)).letters
    shown = found[-chosen.limit :]
    if not shown:
        _say("There are no open dead letters that this describes.")
        return _NOTHING
    for line in map(printing.as_json, shown) if chosen.json else printing.table(shown):
        sys.stdout.write(f"{line}\n")
    if len(found) > len(shown):
        _say(f"There are more: these are the newest {chosen.limit}. See --limit.")
    return 0


async def _inspect(kafka: str, place: Place, *, with_body: bool) -> int:
    async with opened(kafka) as letters:
        found = await letters.at(place)
    if found is None:
        _say(f"There is no dead letter at {place}, or it is not kept any more. See {arguments.PROGRAM} list.")
        return _NOTHING
    for line in printing.details(found.letter, found.record, found.resolution):
        sys.stdout.write(f"{line}\n")
    if with_body:
        sys.stdout.write(f"\n{printing.body(found.record)}\n")
    return 0


async def _resolve(kafka: str, chosen: argparse.Namespace) -> int:
    action, wanted = _ACTIONS[chosen.command], arguments.wanted(chosen)
    if chosen.yes:  # what a run that died has begun would be waited for
        async with fencing(kafka):
            pass
    async with opened(kafka) as letters:
        causes = await letters.count(wanted)
    total = sum(count for cause, count in causes.items() if can(action, cause))
    if not causes:
        _say("There are no open dead letters that this describes.")
        return _NOTHING
    _say(f"{sum(causes.values()):,} open, by cause:", *printing.counts(causes))
    if total < sum(causes.values()):
        _say(f"{sum(causes.values()) - total:,} cannot be replayed: it is not known where they came from.")
    if not (total and (chosen.yes or _agreed(f"{chosen.command.capitalize()} {total:,}?"))):
        _say(f"Nothing was changed. With --yes they are {action}." if total else "Nothing was changed.")
        return 0
    at_once = max(1, min(AT_ONCE, int(chosen.rate)))
    order = Order(action=action, wanted=wanted, before=letters.ends, at_once=at_once)
    return await _carry_out(kafka, order, total, chosen.rate)


async def _carry_out(kafka: str, order: Order, total: int, per_second: float) -> int:
    stopping = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):  # the transaction in hand would stay open for a while
        asyncio.get_running_loop().add_signal_handler(one, stopping.set)
    done, said_s = 0, time.monotonic()
    try:
        async with aclosing(resolve(kafka, order)) as steps:
            async for count in steps:
                done += count
                if time.monotonic() - said_s > _SAY_AFTER_S:
                    said_s = time.monotonic()
                    _say(f"{done:,} of {total:,} {order.action}")
                if await _is_set(stopping, within_s=count / per_second):
                    break
    finally:
        _say(f"{done:,} of {total:,} {order.action}.")
    if stopping.is_set() and done < total:
        _say("Stopped. Repeat the command for the rest.")
        return _FAILED
    return 0


async def _is_set(event: asyncio.Event, *, within_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
    return event.is_set()


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _say(*lines: str) -> None:
    """To people: what a program reads is on the other stream."""
    for line in lines:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
