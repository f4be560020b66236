"""The shape of each operator's operand, checked."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Final

from libs.filters.conditions import is_number
from libs.filters.instants import DAY_NS, is_bare_date, span
from libs.filters.language import Number, Operand, Shape
from libs.filters.patterns import compile_pattern

TEXT_LIMIT: Final = 4_096
PATTERN_LIMIT: Final = 1_000
CHOICES_LIMIT: Final = 1_000

Report = Callable[[str, str], None]
"""Takes where inside the operand, "" or "[3]", and what is wrong there."""


def check_operand(shape: Shape, source: object, report: Report, *, ignore_case: bool = False) -> Operand:
    """The operand that a decoded JSON value stands for; whatever is wrong is reported, and the answer then is void."""
    if shape == "pattern":
        return _pattern(source, report, ignore_case=ignore_case)
    return _CHECKS[shape](source, report)


def _text(source: object, report: Report, at: str = "", limit: int = TEXT_LIMIT) -> str:
    if not isinstance(source, str):
        report(at, "must be a string")
        return ""
    if len(source) > limit:
        report(at, f"must have at most {limit:,} characters")
        return ""
    if not source.isascii() and any("\ud800" <= character <= "\udfff" for character in source):
        report(at, "must not contain a lone surrogate")
        return ""
    return source


def _pattern(source: object, report: Report, *, ignore_case: bool = False) -> str:
    pattern = _text(source, report, limit=PATTERN_LIMIT)
    try:
        compile_pattern(pattern, ignore_case=ignore_case)
    except ValueError as fault:
        report("", f"must be an RE2 pattern: {fault}")
    return pattern


def _number(source: object, report: Report, at: str = "") -> Number:
    if is_number(source) and (isinstance(source, int) or math.isfinite(source)):
        return source
    report(at, "must be a number")
    return 0


def _length(source: object, report: Report) -> int:
    if isinstance(source, int) and not isinstance(source, bool) and source >= 0:
        return source
    report("", "must be a whole number, 0 or more")
    return 0


def _scalar(source: object, report: Report) -> Operand:
    if source is None or isinstance(source, bool):
        return source
    if isinstance(source, str):
        return _text(source, report)
    if is_number(source):
        return _number(source, report)
    report("", "must be a string, a number, true, false or null")
    return None


def _date(source: object, report: Report, at: str = "") -> str:
    text = source if isinstance(source, str) and span(source, UTC) else ""
    if not text or len(text) > TEXT_LIMIT:
        report(at, "must be an RFC 3339 timestamp or YYYY-MM-DD")
    return text


def _list(source: object, report: Report) -> list[object]:
    if not isinstance(source, list) or not source:
        report("", "must be a list with at least one value")
        return []
    if len(source) > CHOICES_LIMIT:
        report("", f"must have at most {CHOICES_LIMIT:,} values")
        return []
    return source


def _texts(source: object, report: Report) -> Operand:
    return tuple(_text(one, report, f"[{i}]") for i, one in enumerate(_list(source, report)))


def _numbers(source: object, report: Report) -> Operand:
    return tuple(_number(one, report, f"[{i}]") for i, one in enumerate(_list(source, report)))


def _pair(source: object, report: Report) -> tuple[object, object] | None:
    match source:
        case [low, high]:
            return low, high
    report("", "must be a list of two values, the lower and the upper bound")
    return None


def _number_bounds(source: object, report: Report) -> Operand:
    if (pair := _pair(source, report)) is None:
        return None
    low, high = _number(pair[0], report, "[0]"), _number(pair[1], report, "[1]")
    if is_number(pair[0]) and is_number(pair[1]) and low > high:
        report("", "must have its lower bound first")
    return low, high


def _date_bounds(source: object, report: Report) -> Operand:
    if (pair := _pair(source, report)) is None:
        return None
    low, high = _date(pair[0], report, "[0]"), _date(pair[1], report, "[1]")
    if low and high and not _in_order(low, high):
        report("", "must have its lower bound first")
    return low, high


def _in_order(low: str, high: str) -> bool:
    """Whether the bounds are in order in some time zone, which moves a bare date against a timestamp by up to a day."""
    first, last = span(low, UTC), span(high, UTC)
    slack = 0 if is_bare_date(low) == is_bare_date(high) else DAY_NS
    return first is not None and last is not None and first[0] <= last[1] + slack


def _nothing(source: object, report: Report) -> Operand:  # noqa: ARG001
    return None


_CHECKS: Final[Mapping[Shape, Callable[[object, Report], Operand]]] = {
    "nothing": _nothing,
    "text": _text,
    "texts": _texts,
    "pattern": _pattern,
    "number": _number,
    "numbers": _numbers,
    "number bounds": _number_bounds,
    "date": _date,
    "date bounds": _date_bounds,
    "length": _length,
    "scalar": _scalar,
}
