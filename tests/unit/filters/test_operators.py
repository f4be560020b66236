"""Every operator of every type: a value that satisfies it, one that does not, no value, values of other types."""

from typing import Any

import msgspec
import pytest

from libs.filters import compile_matcher, explain, parse
from libs.filters.language import OPERATORS
from tests.unit.filters import oracle
from tests.unit.filters.strategies import NOW, ZONES

WARSAW = ZONES[1]
NOTHING = object()
"""Stands for an operator without a value, and for a parameter that is absent."""

# type, operator, value, what satisfies it, what does not
TABLE: list[tuple[str, str, Any, list[Any], list[Any]]] = [
    ("string", "EQUAL", "high", ["high"], ["HIGH", "", "high "]),
    ("string", "NOT_EQUAL", "high", ["HIGH", ""], ["high"]),
    ("string", "CONTAIN", "ig", ["high", "ig"], ["IG", ""]),
    ("string", "NOT_CONTAIN", "ig", ["IG", ""], ["high"]),
    ("string", "STARTS_WITH", "hi", ["high", "hi"], ["h", "ahi", "High"]),
    ("string", "ENDS_WITH", ".jpg", ["a.jpg", ".jpg"], ["a.jpg ", "jpg", "A.JPG"]),
    ("string", "REGEXP", "h.gh$", ["high", "so high", "é" * 65_532 + "high"], ["highs", "hgh", "x" * 65_533 + "high"]),
    ("string", "IN", ["low", "high"], ["low", "high"], ["LOW", "", "lowhigh"]),
    ("string", "NOT_IN", ["low", "high"], ["LOW", ""], ["low", "high"]),
    ("number", "EQUAL", 1, [1, 1.0], [2, 0, -1, 1.0000000000000002]),
    ("number", "NOT_EQUAL", 2**53, [2**53 + 1, 0], [2**53, float(2**53)]),
    ("number", "LESS", 10, [9, 9.99, -(10**40)], [10, 10.0, 11]),
    ("number", "MORE", 10, [11, 10.01, 10**40], [10, 10.0, 9]),
    ("number", "LESS_OR_EQUAL", 10, [10, 10.0, 9], [11, 10.01]),
    ("number", "MORE_OR_EQUAL", float(2**53), [2**53, 2**53 + 1], [2**53 - 1]),
    ("number", "BETWEEN", [1, 2.5], [1, 2, 2.5], [0.99, 2.51]),
    ("number", "IN", [0, 1, 10**30], [0, -0.0, 1.0, 10**30], [2, 1e30]),
    ("number", "NOT_IN", [0, 1], [2, -1], [0, 1.0]),
    ("boolean", "IS_TRUE", NOTHING, [True], [False]),
    ("boolean", "IS_FALSE", NOTHING, [False], [True]),
    ("date", "EQUAL", "2026-01-31T09:15:30Z", ["2026-01-31T10:15:30+01:00"], ["2026-01-31T09:15:30.000001Z"]),
    ("date", "EQUAL", "2026-01-31", ["2026-01-31", "2026-01-30T23:00:00Z"], ["2026-01-31T23:00:00Z", "2026-02-01"]),
    ("date", "MORE", "2026-01-31", ["2026-01-31", "2026-01-31T00:00:00+01:00"], ["2026-01-30T22:59:59.999999Z"]),
    ("date", "LESS", "2026-01-31", ["2026-01-31T23:59:59.999999+01:00"], ["2026-02-01"]),
    ("date", "LESS", "2026-01-31T09:15:30Z", ["2026-01-31T09:15:30Z"], ["2026-01-31T09:15:30.000001Z"]),
    ("date", "BETWEEN", ["2026-01-30", "2026-01-31"], ["2026-01-30", "2026-01-31T12:00:00Z"], ["2026-02-01"]),
    ("date", "MATCHES_CURRENT_HOUR", NOTHING, ["2026-01-31T09:59:59Z"], ["2026-01-31T08:59:59Z", "2026-01-31"]),
    ("date", "MATCHES_CURRENT_DAY", NOTHING, ["2026-01-30T23:00:00Z", "2026-01-31"], ["2026-01-30T22:59:59Z"]),
    ("date", "MATCHES_CURRENT_MONTH", NOTHING, ["2026-01-01"], ["2026-02-01", "2025-01-31"]),
    ("date", "MATCHES_CURRENT_YEAR", NOTHING, ["2026-12-31", "2025-12-31T23:00:00Z"], ["2025-12-31"]),
    ("array", "CONTAIN", 1, [[1], ["a", 1.0]], [[], [True], ["1"], [[1]]]),
    ("array", "CONTAIN", True, [[True]], [[1], []]),
    ("array", "CONTAIN", None, [[None]], [[0], [""], []]),
    ("array", "NOT_CONTAIN", "a", [[], ["b"], [["a"]]], [["a"], ["b", "a"]]),
    ("array", "IS_EMPTY", NOTHING, [[]], [[None]]),
    ("array", "IS_NOT_EMPTY", NOTHING, [[None], [[]]], [[]]),
    ("array", "LENGTH_EQUAL", 1, [[0]], [[], [0, 0]]),
    ("array", "LENGTH_MORE", 1, [[0, 0]], [[], [0]]),
    ("array", "LENGTH_LESS", 1, [[]], [[0], [0, 0]]),
    ("any", "EXISTS", NOTHING, [None, 0, "", [], {}, {"b": 1}], [NOTHING]),
    ("any", "NOT_EXISTS", NOTHING, [NOTHING], [None, 0, "", [], {}, {"b": 1}]),
    ("any", "IS_NULL", NOTHING, [None], [0, "", False, [], {}, NOTHING]),
    ("any", "IS_NOT_NULL", NOTHING, [0, "", False, [], {}], [None, NOTHING]),
]
IGNORING_CASE: list[tuple[str, Any, list[str], list[str]]] = [
    ("EQUAL", "STRASSE", ["straße", "Strasse"], ["strase"]),
    ("NOT_EQUAL", "a", ["b"], ["A", "a"]),
    ("CONTAIN", "B", ["abc", "ABC"], ["ac"]),
    ("NOT_CONTAIN", "B", ["ac"], ["abc", "ABC"]),
    ("STARTS_WITH", "Ab", ["aBc"], ["bab"]),
    ("ENDS_WITH", ".JPG", ["a.jpg"], ["a.jpeg"]),
    ("REGEXP", "^A.c$", ["abc", "ABC"], ["abcd"]),
    ("IN", ["LOW", "High"], ["low", "HIGH"], ["mid"]),
    ("NOT_IN", ["LOW"], ["mid"], ["low"]),
]
OF_OTHER_TYPES: dict[str, list[Any]] = {
    "string": [1, 1.5, True, None, [], ["high"], {}, {"high": "high"}],
    "number": ["1", "", True, False, None, [], [1], {}],
    "boolean": [0, 1, "true", "", None, [], {}],
    "date": ["high", "2026-13-01", "2026-01-31 09:15", "", 20260131, None, [], {}],
    "array": ["a", 1, True, None, {}, {"0": "a"}],
    "any": [],
}


def source(type_: str, operator: str, value: object, **more: object) -> dict[str, Any]:
    return {
        "param": "body.a",
        "type": type_,
        "operator": operator,
        **({} if value is NOTHING else {"value": value}),
        **more,
    }


def holds(where: dict[str, Any], found: object) -> tuple[bool, str | None]:
    """Whether all three implementations say that it holds, and the reason that the explanation gives."""
    body = {} if found is NOTHING else {"a": found}
    explanation = explain(parse(where), body, {}, NOW, WARSAW)
    (outcome,) = explanation.outcomes
    matched = compile_matcher([("rule", parse(where), WARSAW)]).match(body, {}, NOW) == ["rule"]
    assert matched is explanation.matched is outcome.matched is oracle.holds(where, body, {}, NOW, WARSAW)
    assert outcome.actual == (msgspec.UNSET if found is NOTHING else found)
    return matched, outcome.reason


def test_the_table_knows_every_operator() -> None:
    assert {(type_, operator) for type_, operator, *_ in TABLE} == {
        (type_, operator) for type_, operators in OPERATORS.items() for operator in operators
    }
    assert {operator for operator, *_ in IGNORING_CASE} == set(OPERATORS["string"])


@pytest.mark.parametrize(("type_", "operator", "value", "satisfying", "failing"), TABLE)
def test_an_operator_holds_for_what_it_says_and_for_nothing_else(
    type_: str, operator: str, value: object, satisfying: list[Any], failing: list[Any]
) -> None:
    where = source(type_, operator, value)
    for found in satisfying:
        assert holds(where, found) == (True, None), found
    for found in failing:
        assert holds(where, found) == (False, "absent" if found is NOTHING else "different value"), found
    for found in OF_OTHER_TYPES[type_]:
        assert holds(where, found) == (False, "other type"), found
    if type_ != "any":
        assert holds(where, NOTHING) == (False, "absent")


@pytest.mark.parametrize(("operator", "value", "satisfying", "failing"), IGNORING_CASE)
def test_ignoring_case_compares_folded_text(
    operator: str, value: object, satisfying: list[str], failing: list[str]
) -> None:
    where = source("string", operator, value, ignoreCase=True)
    assert [holds(where, found)[0] for found in satisfying] == [True] * len(satisfying)
    assert [holds(where, found)[0] for found in failing] == [False] * len(failing)
    for found in OF_OTHER_TYPES["string"]:
        assert holds(where, found) == (False, "other type")
