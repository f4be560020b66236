"""A naive interpreter of the filter language, written from its description alone; it reads the JSON form.

It shares no code with the product: no parser, no path splitting, no date reading, not even RE2.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

Json = Any
Found = list[tuple[bool, Json]]
"""(present, value) for everything that a parameter stands for."""


def holds(where: dict[str, Json], body: Json, headers: dict[str, str], now: datetime, zone: tzinfo) -> bool:
    """Whether an event satisfies a filter."""
    return _holds(where, {"body": body, "headers": headers}, now, zone)


def _holds(where: dict[str, Json], scope: Json, now: datetime, zone: tzinfo) -> bool:
    if "all" in where:
        return all(_holds(part, scope, now, zone) for part in where["all"])
    if "any" in where:
        return any(_holds(part, scope, now, zone) for part in where["any"])
    if "none" in where:
        return not any(_holds(part, scope, now, zone) for part in where["none"])
    if "some" in where:
        arrays = [value for present, value in _find(scope, where["some"]) if present and isinstance(value, list)]
        return any(_holds(where["where"], element, now, zone) for array in arrays for element in array)
    if "param" in where:
        found = _find(scope, where["param"])
        return any(_leaf(where, one, now, zone) for one in found)
    return True


def _find(scope: Json, param: str) -> Found:
    segments = [
        re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\A|(?<=\.))((?:[^.\\]|\\.)*)(?:\.|\Z)", param)
    ]
    if segments[0] == "headers" and isinstance(scope, dict) and set(scope) == {"body", "headers"}:
        segments[1] = segments[1].lower()
    found: Found = [(True, scope)]
    for segment in segments:
        found = [below for above in found for below in _descend(above, segment)]
    return found


def _descend(found: tuple[bool, Json], segment: str) -> Found:
    present, value = found
    if present and isinstance(value, dict) and segment in value:
        return [(True, value[segment])]
    if present and isinstance(value, list):
        if segment == "*":
            return [(True, element) for element in value]
        return [(True, value[i]) for i in range(len(value)) if str(i) == segment] or [(False, None)]
    return [] if segment == "*" else [(False, None)]


def _leaf(leaf: dict[str, Json], found: tuple[bool, Json], now: datetime, zone: tzinfo) -> bool:
    present, value = found
    operator, wanted = leaf["operator"], leaf.get("value")
    if operator == "NOT_EXISTS" or not present:
        return operator == "NOT_EXISTS" and not present
    checks: dict[str, Callable[[], bool]] = {
        "any": lambda: {"EXISTS": True, "IS_NULL": value is None, "IS_NOT_NULL": value is not None}[operator],
        "string": lambda: (
            isinstance(value, str) and _string(operator, value, wanted, fold=leaf.get("ignoreCase", False))
        ),
        "number": lambda: type(value) in {int, float} and _number(operator, value, wanted),
        "boolean": lambda: value is {"IS_TRUE": True, "IS_FALSE": False}[operator],
        "date": lambda: (at := _moment(value, zone)) is not None and _date(operator, at, wanted, now, zone),
        "array": lambda: isinstance(value, list) and _array(operator, value, wanted),
    }
    return checks[leaf["type"]]()


def _string(operator: str, text: str, wanted: Json, *, fold: bool) -> bool:
    if operator == "REGEXP":
        return len(text) <= 65_536 and re.search(wanted, text, re.IGNORECASE if fold else 0) is not None
    if fold:
        text = text.casefold()
        wanted = [one.casefold() for one in wanted] if isinstance(wanted, list) else wanted.casefold()
    checks: dict[str, Callable[[], bool]] = {
        "EQUAL": lambda: text == wanted,
        "NOT_EQUAL": lambda: text != wanted,
        "CONTAIN": lambda: text.find(wanted) >= 0,
        "NOT_CONTAIN": lambda: text.find(wanted) < 0,
        "STARTS_WITH": lambda: text[: len(wanted)] == wanted,
        "ENDS_WITH": lambda: text[max(0, len(text) - len(wanted)) :] == wanted,
        "IN": lambda: any(text == one for one in wanted),
        "NOT_IN": lambda: all(text != one for one in wanted),
    }
    return checks[operator]()


def _number(operator: str, number: Json, wanted: Json) -> bool:
    checks: dict[str, Callable[[], bool]] = {
        "EQUAL": lambda: number == wanted,
        "NOT_EQUAL": lambda: number != wanted,
        "LESS": lambda: number < wanted,
        "MORE": lambda: number > wanted,
        "LESS_OR_EQUAL": lambda: number <= wanted,
        "MORE_OR_EQUAL": lambda: number >= wanted,
        "BETWEEN": lambda: wanted[0] <= number <= wanted[1],
        "IN": lambda: any(number == one for one in wanted),
        "NOT_IN": lambda: all(number != one for one in wanted),
    }
    return checks[operator]()


def _moment(text: Json, zone: tzinfo) -> datetime | None:
    if not isinstance(text, str):
        return None
    if re.fullmatch(r"[0-9-]{10}", text):
        text += "T00:00:00"
    elif not re.fullmatch(r".{10}T.{8}(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _end(text: str, zone: tzinfo) -> datetime:
    """The last moment that a bound covers: a day without a time lasts until midnight."""
    if len(text) > len("2026-01-31"):
        moment = _moment(text, zone)
    else:
        following = datetime.fromisoformat(text) + timedelta(days=1)
        moment = following.replace(tzinfo=zone).astimezone(UTC) - timedelta(microseconds=1)
    assert moment is not None
    return moment


def _date(operator: str, at: datetime, wanted: Json, now: datetime, zone: tzinfo) -> bool:
    if operator.startswith("MATCHES_CURRENT_"):
        form = {"HOUR": "%Y-%m-%d %H", "DAY": "%Y-%m-%d", "MONTH": "%Y-%m", "YEAR": "%Y"}[operator.split("_")[2]]
        return at.astimezone(zone).strftime(form) == now.astimezone(zone).strftime(form)
    low, high = wanted if operator == "BETWEEN" else (wanted, wanted)
    start = _moment(low, zone)
    assert start is not None
    return (operator == "LESS" or at >= start) and (operator == "MORE" or at <= _end(high, zone))


def _array(operator: str, array: list[Json], wanted: Json) -> bool:
    def same(element: Json) -> bool:
        return isinstance(element, bool) == isinstance(wanted, bool) and element == wanted

    checks: dict[str, Callable[[], bool]] = {
        "CONTAIN": lambda: any(map(same, array)),
        "NOT_CONTAIN": lambda: not any(map(same, array)),
        "IS_EMPTY": lambda: len(array) == 0,
        "IS_NOT_EMPTY": lambda: len(array) > 0,
        "LENGTH_EQUAL": lambda: len(array) == wanted,
        "LENGTH_MORE": lambda: len(array) > wanted,
        "LENGTH_LESS": lambda: len(array) < wanted,
    }
    return checks[operator]()
