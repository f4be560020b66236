"""What is refused, and that every fault is named with its place, all in one go."""

from typing import Any

import pytest

from libs.filters import All, AnyOf, Condition, FilterError, NoneOf, Some, parse, to_source
from libs.filters.operands import CHOICES_LIMIT, PATTERN_LIMIT, TEXT_LIMIT
from libs.filters.parsing import CONDITIONS_LIMIT, FAULTS_LIMIT, NESTING_LIMIT, PARAM_LIMIT

LEAF = {"param": "body.a", "type": "any", "operator": "EXISTS"}
TOO_LARGE = "must be an RE2 pattern: pattern too large - compile failed"


def faults(source: object) -> list[tuple[str, str]]:
    with pytest.raises(FilterError) as refused:
        parse(source)
    return [(fault.path, fault.message) for fault in refused.value.faults]


def leaf(**changes: object) -> dict[str, Any]:
    return {"param": "body.a", "type": "string", "operator": "EQUAL", "value": "x", **changes}


def number(operator: str, value: object) -> dict[str, Any]:
    return leaf(type="number", operator=operator, value=value)


def date(operator: str, value: object) -> dict[str, Any]:
    return leaf(type="date", operator=operator, value=value)


def array(operator: str, value: object) -> dict[str, Any]:
    return leaf(type="array", operator=operator, value=value)


def test_the_example_of_the_language_is_understood() -> None:
    source = {
        "all": [
            {"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"},
            {"any": [{"some": "body.files", "where": leaf(param="name", ignoreCase=True)}, {"none": [LEAF]}]},
        ]
    }
    files = Some(
        path=("body", "files"),
        where=Condition(path=("name",), type="string", operator="EQUAL", value="x", ignore_case=True),
    )
    exists = Condition(path=("body", "a"), type="any", operator="EXISTS")
    priority = Condition(path=("body", "complaint", "priority"), type="string", operator="EQUAL", value="high")
    where = parse(source)
    assert where == All(parts=(priority, AnyOf(parts=(files, NoneOf(parts=(exists,))))))
    assert to_source(where) == source


def test_all_faults_are_found_in_one_go_each_with_its_path() -> None:
    source = {
        "all": [
            {"param": "complaint.id", "operator": "EQUAL", "values": 1},
            {"any": [leaf(operator="LIKE"), number("BETWEEN", ["1", True]), 7], "limit": 1},
            {"some": "headers.x", "where": {"none": [leaf(param="a\\b", value=None)]}},
        ]
    }
    assert [path for path, _ in faults(source)] == [
        "where.all[0].values",
        "where.all[0].type",
        "where.all[0].param",
        "where.all[1].limit",
        "where.all[1].any[0].operator",
        "where.all[1].any[1].value[0]",
        "where.all[1].any[1].value[1]",
        "where.all[1].any[2]",
        "where.all[2].some",
        "where.all[2].where.none[0].param",
        "where.all[2].where.none[0].value",
    ]


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ([], "where", "must be an object"),
        (None, "where", "must be an object"),
        ({"all": {}}, "where.all", "must be a list"),
        ({"any": None}, "where.any", "must be a list"),
        ({"all": [], "none": []}, "where.none", "must not stand beside another group: put one into the other"),
        ({"and": []}, "where", "must have all, any, none or some; or, as a condition, param, type and operator"),
        (
            {"param": "headers.X-Api-Key", "type": "any", "operator": "EXISTS"},
            "where.param",
            "is a credential; credentials are never kept, so no event has it",
        ),
        ({"some": "body.a"}, "where.where", "is required"),
        ({"some": "a", "where": {}}, "where.some", "must start with 'body.' or 'headers.'"),
        ({"some": ["body.a"], "where": {}}, "where.some", "must be a string"),
        ({"some": "headers.a", "where": {}}, "where.some", "must be in the body: a header is no array"),
        ({"operator": "EXISTS", "type": "any"}, "where.param", "is required"),
        ({"param": "body.a", "operator": "EXISTS"}, "where.type", "is required"),
        ({"param": "body.a", "type": "any"}, "where.operator", "is required"),
        (leaf(param=7), "where.param", "must be a string"),
        (leaf(param=""), "where.param", "must start with 'body.' or 'headers.'"),
        (leaf(param="body"), "where.param", "must start with 'body.' or 'headers.'"),
        (leaf(param="Body.a"), "where.param", "must start with 'body.' or 'headers.'"),
        (leaf(param="headers.a.b"), "where.param", r"must name one header: a '.' in its name is written '\.'"),
        (leaf(param="body.a\\x"), "where.param", "'\\' at character 6 must be followed by '.' or '\\'"),
        (leaf(param="body." + "a" * PARAM_LIMIT), "where.param", "must have at most 1,024 characters"),
        (leaf(param="body" + ".a" * 65), "where.param", "must be at most 64 deep"),
        (leaf(type="text"), "where.type", "must be one of string, number, boolean, date, array, any"),
        (leaf(type=["string"]), "where.type", "must be one of string, number, boolean, date, array, any"),
        (leaf(operator=["EQUAL"]), "where.operator", None),
        (leaf(type="boolean"), "where.operator", "must be, for type boolean, one of IS_TRUE, IS_FALSE"),
        (leaf(ignoreCase=1), "where.ignoreCase", "must be true or false"),
        ({**number("EQUAL", 1), "ignoreCase": True}, "where.ignoreCase", "is only for type string"),
        ({**LEAF, "value": None}, "where.value", "must be left out: EXISTS takes no value"),
        ({"param": "body.a", "type": "string", "operator": "EQUAL"}, "where.value", "is required"),
        (leaf(value=1), "where.value", "must be a string"),
        (leaf(value=["x"]), "where.value", "must be a string"),
        (leaf(value="\ud800"), "where.value", "must not contain a lone surrogate"),
        (leaf(value="x" * (TEXT_LIMIT + 1)), "where.value", "must have at most 4,096 characters"),
        (leaf(operator="IN", value=[]), "where.value", "must be a list with at least one value"),
        (leaf(operator="IN", value="x"), "where.value", "must be a list with at least one value"),
        (leaf(operator="IN", value=["x", None]), "where.value[1]", "must be a string"),
        (leaf(operator="IN", value=["x"] * (CHOICES_LIMIT + 1)), "where.value", "must have at most 1,000 values"),
        (leaf(operator="REGEXP", value="(?=x)"), "where.value", None),
        (leaf(operator="REGEXP", value="("), "where.value", "must be an RE2 pattern: missing ): ("),
        (leaf(operator="REGEXP", value="x" * (PATTERN_LIMIT + 1)), "where.value", "must have at most 1,000 characters"),
        (leaf(operator="REGEXP", value="((\\pL{30}){30})"), "where.value", None),
        (leaf(operator="REGEXP", value="(a|b|ab|ba){900}c"), "where.value", TOO_LARGE),
        (leaf(operator="REGEXP", value="[a-z]{1000}" * 3, ignoreCase=True), "where.value", TOO_LARGE),
        (number("EQUAL", "1"), "where.value", "must be a number"),
        (number("EQUAL", True), "where.value", "must be a number"),
        (number("EQUAL", float("nan")), "where.value", "must be a number"),
        (number("EQUAL", float("inf")), "where.value", "must be a number"),
        (number("IN", [1, False]), "where.value[1]", "must be a number"),
        (number("BETWEEN", [2, 1]), "where.value", "must have its lower bound first"),
        (number("BETWEEN", [1]), "where.value", "must be a list of two values, the lower and the upper bound"),
        (number("BETWEEN", "12"), "where.value", "must be a list of two values, the lower and the upper bound"),
        (date("EQUAL", "31.01.2026"), "where.value", "must be an RFC 3339 timestamp or YYYY-MM-DD"),
        (date("EQUAL", "2026-02-30"), "where.value", "must be an RFC 3339 timestamp or YYYY-MM-DD"),
        (date("EQUAL", "2026-01-31T10:00:00"), "where.value", "must be an RFC 3339 timestamp or YYYY-MM-DD"),
        (date("BETWEEN", ["2026-02-01", "2026-01-31"]), "where.value", "must have its lower bound first"),
        (date("BETWEEN", ["2026-02-01", 1]), "where.value[1]", "must be an RFC 3339 timestamp or YYYY-MM-DD"),
        (array("LENGTH_EQUAL", -1), "where.value", "must be a whole number, 0 or more"),
        (array("LENGTH_MORE", 1.5), "where.value", "must be a whole number, 0 or more"),
        (array("LENGTH_LESS", True), "where.value", "must be a whole number, 0 or more"),
        (array("CONTAIN", []), "where.value", "must be a string, a number, true, false or null"),
        (array("CONTAIN", {}), "where.value", "must be a string, a number, true, false or null"),
    ],
)
def test_a_fault_is_named_with_its_place(source: object, path: str, message: str | None) -> None:
    found = faults(source)
    assert [fault[0] for fault in found] == [path]
    if message is not None:
        assert found[0][1] == message


def test_headers_are_named_in_any_case_and_kept_in_lower_case() -> None:
    where = parse(leaf(param="headers.X-Form-Id"))
    assert to_source(where)["param"] == "headers.x-form-id"


def test_what_a_filter_may_hold_is_limited() -> None:
    within = {"all": [leaf(value="x")] * CONDITIONS_LIMIT}
    parse(within)
    assert faults({"all": [*within["all"], LEAF, LEAF]}) == [
        (f"where.all[{CONDITIONS_LIMIT}]", f"is one condition too many: a filter has at most {CONDITIONS_LIMIT}")
    ]
    nested: dict[str, Any] = LEAF
    for _ in range(NESTING_LIMIT):
        nested = {"all": [nested]}
    parse(nested)
    assert faults({"all": [nested]}) == [("where" + ".all[0]" * (NESTING_LIMIT + 1), "is nested more than 16 deep")]
    assert faults({"all": [leaf(value="x" * TEXT_LIMIT)] * 17}) == [
        ("where", "must have at most 65,536 characters in its parameters and values")
    ]
    assert len(faults({"all": [7] * (FAULTS_LIMIT + 1)})) == FAULTS_LIMIT


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ({}, 1),
        ({"any": []}, 1),
        ({"some": "body.a", "where": leaf(param="b")}, 2),
        ({"some": "body.a", "where": {}}, 2),
    ],
)
def test_whatever_is_no_group_of_parts_counts_as_a_condition(part: dict[str, Any], counts: int) -> None:
    most = [part] * (CONDITIONS_LIMIT // counts)
    parse({"all": most})
    assert [message for _, message in faults({"all": [*most, part]})] == [
        f"is one condition too many: a filter has at most {CONDITIONS_LIMIT}"
    ]


def test_bounds_that_are_in_order_in_some_time_zone_are_taken() -> None:
    parse(date("BETWEEN", ["2026-02-01T05:00:00Z", "2026-01-31"]))
    assert faults(date("BETWEEN", ["2026-02-02T05:00:00Z", "2026-01-31"]))
    assert faults(date("BETWEEN", ["2026-02-01T05:00:00Z", "2026-02-01T04:00:00Z"]))


def test_faults_can_be_rooted_elsewhere_and_read_as_one_message() -> None:
    with pytest.raises(FilterError) as refused:
        parse({"all": [leaf(value=1)]}, root="rules[3]")
    assert str(refused.value) == "rules[3].all[0].value: must be a string"
