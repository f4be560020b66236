"""When a condition holds for one value. A value of another type, or `ABSENT`, never satisfies; nothing is coerced."""

import operator
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Final, TypeGuard

from libs.filters.instants import instant, on_same_page, span
from libs.filters.language import Condition, Number
from libs.filters.occasion import Occasion
from libs.filters.patterns import compile_pattern
from libs.parameters import ABSENT

Test = Callable[[object, Occasion], bool]
"""Whether a value satisfies, on this occasion."""

_CURRENT_FIELDS: Final = {
    "MATCHES_CURRENT_YEAR": 1,
    "MATCHES_CURRENT_MONTH": 2,
    "MATCHES_CURRENT_DAY": 3,
    "MATCHES_CURRENT_HOUR": 4,
}
_TRUE_KEY: Final = (True,)
_FALSE_KEY: Final = (False,)


def is_number(value: object) -> TypeGuard[Number]:
    """Whether a value is a JSON number. A boolean is none, and NaN, which JSON does not know, is none either."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def scalar_key(value: object) -> object:
    """A key under which exactly the equal scalars meet: 1 and 1.0, but not 1 and true. `ABSENT` for what is no scalar.

    Python's own equality and hash do the rest: exact between integers of any size and floats.
    """
    if isinstance(value, bool):
        return _TRUE_KEY if value else _FALSE_KEY
    return value if value is None or isinstance(value, str | int | float) else ABSENT


IS_OF_TYPE: Final[Mapping[str, Callable[[object, tzinfo], bool]]] = {
    "string": lambda value, _: isinstance(value, str),
    "number": lambda value, _: is_number(value),
    "boolean": lambda value, _: isinstance(value, bool),
    "date": lambda value, zone: isinstance(value, str) and instant(value, zone) is not None,
    "array": lambda value, _: isinstance(value, list),
    "any": lambda value, _: value is not ABSENT,
}


def compile_condition(condition: Condition, zone: tzinfo) -> Test:
    """The test of a condition that `parse` accepted. Bare dates and the current hour, day, … are those of `zone`."""
    match condition.type:
        case "string":
            return _string_test(condition)
        case "number":
            return _number_test(condition)
        case "boolean":
            wanted = condition.operator == "IS_TRUE"
            return lambda value, _: value is wanted
        case "date":
            return _date_test(condition, zone)
        case "array":
            return _array_test(condition)
        case "any":
            return _ANY_TESTS[condition.operator]


_ANY_TESTS: Final[Mapping[str, Test]] = {
    "EXISTS": lambda value, _: value is not ABSENT,
    "NOT_EXISTS": lambda value, _: value is ABSENT,
    "IS_NULL": lambda value, _: value is None,
    "IS_NOT_NULL": lambda value, _: value is not None and value is not ABSENT,
}


def _string_test(condition: Condition) -> Test:
    if condition.operator == "REGEXP":
        matches = compile_pattern(str(condition.value), ignore_case=condition.ignore_case)
        return lambda value, occasion: isinstance(value, str) and matches(value, occasion)
    holds = _string_predicate(condition)
    if condition.ignore_case:
        return lambda value, _: isinstance(value, str) and holds(value.casefold())
    return lambda value, _: isinstance(value, str) and holds(value)


def _string_predicate(condition: Condition) -> Callable[[str], bool]:
    fold = str.casefold if condition.ignore_case else str
    match condition.operator, condition.value:
        case operator_, str(raw):
            wanted = fold(raw)
            return {
                "EQUAL": lambda text: text == wanted,
                "NOT_EQUAL": lambda text: text != wanted,
                "CONTAIN": lambda text: wanted in text,
                "NOT_CONTAIN": lambda text: wanted not in text,
                "STARTS_WITH": lambda text: text.startswith(wanted),
                "ENDS_WITH": lambda text: text.endswith(wanted),
            }[operator_]
        case operator_, tuple(raws):
            choices = frozenset(fold(str(raw)) for raw in raws)
            return _among(choices, wanted=operator_ == "IN")
    raise _unknown(condition)


def _number_test(condition: Condition) -> Test:
    holds = _number_predicate(condition)
    return lambda value, _: is_number(value) and holds(value)


def _number_predicate(condition: Condition) -> Callable[[Number], bool]:
    match condition.operator, condition.value:
        case "BETWEEN", (int() | float() as low, int() | float() as high):
            return lambda number: low <= number <= high
        case ("IN" | "NOT_IN") as operator_, tuple(choices):
            return _among(frozenset(choices), wanted=operator_ == "IN")
        case operator_, int() | float() as bound:
            compare = {
                "EQUAL": operator.eq,
                "NOT_EQUAL": operator.ne,
                "LESS": operator.lt,
                "MORE": operator.gt,
                "LESS_OR_EQUAL": operator.le,
                "MORE_OR_EQUAL": operator.ge,
            }[operator_]
            return lambda number: bool(compare(number, bound))
    raise _unknown(condition)


def _among(choices: frozenset[object], *, wanted: bool) -> Callable[[object], bool]:
    return lambda value: (value in choices) is wanted


def date_bounds(condition: Condition, zone: tzinfo) -> tuple[int | None, int | None]:
    """The first and the last instant that satisfy EQUAL, MORE, LESS or BETWEEN; None where it is open."""
    match condition.operator, condition.value:
        case "BETWEEN", (str(low), str(high)):
            covered = span(low, zone), span(high, zone)
        case _, str(text):
            covered = span(text, zone), span(text, zone)
        case _:
            covered = None, None
    if covered[0] is None or covered[1] is None:
        raise _unknown(condition)
    first = None if condition.operator == "LESS" else covered[0][0]
    last = None if condition.operator == "MORE" else covered[1][1]
    return first, last


def _date_test(condition: Condition, zone: tzinfo) -> Test:
    if (fields := _CURRENT_FIELDS.get(condition.operator)) is not None:

        def is_current(value: object, occasion: Occasion) -> bool:
            at = instant(value, zone) if isinstance(value, str) else None
            return at is not None and on_same_page(at, occasion.now, zone, fields)

        return is_current
    first, last = date_bounds(condition, zone)

    def is_within(value: object, _: Occasion) -> bool:
        at = instant(value, zone) if isinstance(value, str) else None
        return at is not None and (first is None or first <= at) and (last is None or at <= last)

    return is_within


def _array_test(condition: Condition) -> Test:
    holds = _array_predicate(condition)
    return lambda value, _: isinstance(value, list) and holds(value)


def _array_predicate(condition: Condition) -> Callable[[list[object]], bool]:
    match condition.operator, condition.value:
        case "IS_EMPTY", _:
            return lambda array: not array
        case "IS_NOT_EMPTY", _:
            return bool
        case ("CONTAIN" | "NOT_CONTAIN") as operator_, scalar:
            key, wanted = scalar_key(scalar), operator_ == "CONTAIN"
            return lambda array: any(scalar_key(element) == key for element in array) is wanted
        case "LENGTH_EQUAL", int(length):
            return lambda array: len(array) == length
        case "LENGTH_MORE", int(length):
            return lambda array: len(array) > length
        case "LENGTH_LESS", int(length):
            return lambda array: len(array) < length
    raise _unknown(condition)


def _unknown(condition: Condition) -> ValueError:
    return ValueError(f"not a condition of the language: {condition.type} {condition.operator}")
