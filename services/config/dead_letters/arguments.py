"""The command line: ``python -m services dead-letters list | inspect | replay | discard``."""

import argparse
from datetime import UTC, datetime
from typing import Final

from services.config.dead_letters.letters import Place, Wanted

PROGRAM: Final = "python -m services dead-letters"
_DEFAULT_LIMIT: Final = 100
_DEFAULT_RATE: Final = 100.0


def parser() -> argparse.ArgumentParser:
    """The arguments after ``dead-letters``."""
    found = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Dead letters: records that normalizer or trigger could not process. Reads INLET_KAFKA.",
        epilog="Exit codes: 0 done, also if it was a dry run; 1 it failed, and says why; 2 wrong arguments; 3 nothing "
        "was found.",
    )
    commands = found.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show the open ones, the newest last")
    _scope(listing)
    listing.add_argument(
        "--limit", type=_count, default=_DEFAULT_LIMIT, help="the newest so many (default %(default)s)"
    )
    listing.add_argument("--json", action="store_true", help="a line of JSON for each")
    inspecting = commands.add_parser("inspect", help="show one, open or not")
    inspecting.add_argument("place", type=_place, metavar="PARTITION-OFFSET", help="as `list` shows it")
    inspecting.add_argument("--body", action="store_true", help="also what the sender sent, which may be confidential")
    for name, text in (
        ("replay", "put open ones back to where they came from, as they were; each once"),
        ("discard", "close open ones for good; their bytes stay as long as others"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        _scope(command)
        command.add_argument("--place", type=_place, metavar="PARTITION-OFFSET", help="only this one")
        command.add_argument("--yes", action="store_true", help="do it without asking; else it is a dry run first")
        command.add_argument(
            "--rate", type=_rate, default=_DEFAULT_RATE, metavar="N", help="in a second at most (default %(default)g)"
        )
    return found


def wanted(arguments: argparse.Namespace) -> Wanted:
    """Which ones the arguments of `list`, `replay` or `discard` mean."""
    return Wanted(
        integration=arguments.integration,
        cause=arguments.cause,
        service=arguments.service,
        since=arguments.since,
        until=arguments.until,
        place=getattr(arguments, "place", None),
    )


def _scope(command: argparse.ArgumentParser) -> None:
    command.add_argument("--integration", metavar="ID", help="only of this integration")
    command.add_argument("--cause", help="only with this cause, such as too-large")
    command.add_argument("--service", choices=["normalizer", "trigger"], help="only from this service")
    command.add_argument(
        "--since", type=_time, metavar="TIME", help="only from this time on, RFC 3339 or a date, in UTC"
    )
    command.add_argument("--until", type=_time, metavar="TIME", help="only before this time")


def _place(text: str) -> Place:
    try:
        return Place.of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("it is no place such as 3-17") from error


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError("it is no time such as 2026-01-31T09:15:00Z or 2026-01-31") from error


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("it must be more than 0")
    return number
