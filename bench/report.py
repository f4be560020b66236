"""What was measured, as lines of one table."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN: Final = "<!-- begin of what `make bench` writes -->\n"
_END: Final = "<!-- end of what `make bench` writes -->\n"


class Line(NamedTuple):
    """One figure with its unit, and whether it is what it has to be; `target` is empty where nothing is asked."""

    what: str
    measured: str
    target: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        verdict = {None: "", True: "holds", False: "FAILS"}[self.holds]
        return f"{self.what:<64} {self.measured:<44} {self.target:<12} {verdict}"


def at_most(what: str, values: Sequence[float], limit: float, unit: str = "") -> Line:
    """The median of what several rounds came to, with its range, which must not be above a limit."""
    return Line(what, spread(values, unit), f"<= {limit:g}{unit}", statistics.median(values) <= limit)


def at_least(what: str, values: Sequence[float], limit: float, unit: str = "") -> Line:
    """The same, and it must not be below."""
    return Line(what, spread(values, unit), f">= {limit:,g}{unit}", statistics.median(values) >= limit)


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and the range in which all are."""
    low, middle, high = (_number(value) for value in (min(values), statistics.median(values), max(values)))
    return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004


def write(lines: Iterable[Line], command: str, machine: str) -> None:
    """Put the table into ``docs/performance.md``, in the place of the last one."""
    rows = [f"| {what} | {measured} | {target} | {_verdict(holds)} |" for what, measured, target, holds in lines]
    table = ["| what | median (range) | target | |", "|---|---|---|---|", *rows]
    text = "\n".join([f"{machine}:", "", "```console", f"$ {command}", "```", "", *table, ""])
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    _PAGE.write_text(f"{before}{_BEGIN}{text}{_END}{after}")


def _verdict(holds: bool | None) -> str:  # noqa: FBT001
    return {None: "", True: "holds", False: "**fails**"}[holds]
