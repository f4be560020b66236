"""The filter language as values: what a Business Event asks of an event.

A filter is a tree. Its leaves are conditions on one parameter; `All`, `AnyOf` and `NoneOf` combine filters, `Some`
asks that one and the same array element satisfy a whole filter. `parse` makes these values and guarantees that
every condition has a known operator with a well-shaped operand.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from libs.parameters import join

Path = tuple[str, ...]
Number = int | float
Scalar = str | int | float | bool | None
Operand = Scalar | tuple[str | int | float, ...]
Type = Literal["string", "number", "boolean", "date", "array", "any"]
Shape = Literal[
    "nothing",
    "text",
    "texts",
    "pattern",
    "number",
    "numbers",
    "number bounds",
    "date",
    "date bounds",
    "length",
    "scalar",
]

ELEMENT: Final = "*"
"""The path segment that stands for one array element."""

OPERATORS: Final[Mapping[str, Mapping[str, Shape]]] = {
    "string": {
        "EQUAL": "text",
        "NOT_EQUAL": "text",
        "CONTAIN": "text",
        "NOT_CONTAIN": "text",
        "STARTS_WITH": "text",
        "ENDS_WITH": "text",
        "REGEXP": "pattern",
        "IN": "texts",
        "NOT_IN": "texts",
    },
    "number": {
        "EQUAL": "number",
        "NOT_EQUAL": "number",
        "LESS": "number",
        "MORE": "number",
        "LESS_OR_EQUAL": "number",
        "MORE_OR_EQUAL": "number",
        "BETWEEN": "number bounds",
        "IN": "numbers",
        "NOT_IN": "numbers",
    },
    "boolean": {"IS_TRUE": "nothing", "IS_FALSE": "nothing"},
    "date": {
        "EQUAL": "date",
        "MORE": "date",
        "LESS": "date",
        "BETWEEN": "date bounds",
        "MATCHES_CURRENT_HOUR": "nothing",
        "MATCHES_CURRENT_DAY": "nothing",
        "MATCHES_CURRENT_MONTH": "nothing",
        "MATCHES_CURRENT_YEAR": "nothing",
    },
    "array": {
        "CONTAIN": "scalar",
        "NOT_CONTAIN": "scalar",
        "IS_EMPTY": "nothing",
        "IS_NOT_EMPTY": "nothing",
        "LENGTH_EQUAL": "length",
        "LENGTH_MORE": "length",
        "LENGTH_LESS": "length",
    },
    "any": {"EXISTS": "nothing", "NOT_EXISTS": "nothing", "IS_NULL": "nothing", "IS_NOT_NULL": "nothing"},
}
"""The operators of each type, and the shape of the operand each one takes."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on one parameter. Inside a `Some` the path is relative to the element."""

    path: Path
    type: Type
    operator: str
    value: Operand = None
    ignore_case: bool = False


class All(msgspec.Struct, frozen=True, kw_only=True):
    """Every part holds; without parts it always holds."""

    parts: tuple["Filter", ...]


class AnyOf(msgspec.Struct, frozen=True, kw_only=True):
    """At least one part holds; without parts it never holds."""

    parts: tuple["Filter", ...]


class NoneOf(msgspec.Struct, frozen=True, kw_only=True):
    """No part holds; without parts it always holds."""

    parts: tuple["Filter", ...]


class Some(msgspec.Struct, frozen=True, kw_only=True):
    """At least one element of the array at `path` satisfies the whole of `where`."""

    path: Path
    where: "Filter"


Group = All | AnyOf | NoneOf
Filter = Group | Some | Condition


def to_source(where: Filter) -> dict[str, object]:
    """The JSON form of a filter, as builtins. `parse` of it gives the same filter."""
    match where:
        case All(parts=parts):
            return {"all": [to_source(part) for part in parts]}
        case AnyOf(parts=parts):
            return {"any": [to_source(part) for part in parts]}
        case NoneOf(parts=parts):
            return {"none": [to_source(part) for part in parts]}
        case Some(path=path, where=inner):
            return {"some": join(path), "where": to_source(inner)}
        case Condition():
            return _condition_source(where)


def _condition_source(condition: Condition) -> dict[str, object]:
    source: dict[str, object] = {
        "param": join(condition.path),
        "type": condition.type,
        "operator": condition.operator,
    }
    if OPERATORS[condition.type][condition.operator] != "nothing":
        value = condition.value
        source["value"] = list(value) if isinstance(value, tuple) else value
    if condition.ignore_case:
        source["ignoreCase"] = True
    return source
