from datetime import UTC
from typing import Any

import msgspec

from libs.filters import Outcome, explain, parse, to_source
from libs.filters.explain import ACTUAL_LIMIT
from tests.unit.filters.strategies import NOW

BODY = {
    "status": "open",
    "files": [{"name": "a.jpg", "size": 5}, {"name": "b.pdf", "size": 50}, {"size": None}],
    "sizes": list(range(ACTUAL_LIMIT + 1)),
}


def outcomes(where: dict[str, Any]) -> tuple[Outcome, ...]:
    return explain(parse(where), BODY, {"x-form-id": "7"}, NOW, UTC).outcomes


def leaf(param: str, type_: str, operator: str, *value: object) -> dict[str, Any]:
    return {"param": param, "type": type_, "operator": operator, **({"value": value[0]} if value else {})}


def test_every_condition_is_reported_in_order_with_its_place_value_and_reason() -> None:
    where = {
        "all": [
            leaf("body.status", "string", "EQUAL", "open"),
            {"any": [leaf("body.status", "number", "EQUAL", 1), leaf("headers.x-form-id", "string", "EQUAL", "8")]},
            {"none": [leaf("body.nowhere", "any", "EXISTS")]},
        ]
    }
    assert [(one.path, one.matched, one.actual, one.reason) for one in outcomes(where)] == [
        ("where.all[0]", True, "open", None),
        ("where.all[1].any[0]", False, "open", "other type"),
        ("where.all[1].any[1]", False, "7", "different value"),
        ("where.all[2].none[0]", False, msgspec.UNSET, "absent"),
    ]
    assert to_source(outcomes(where)[1].condition) == leaf("body.status", "number", "EQUAL", 1)


def test_behind_a_star_all_values_are_shown_up_to_a_limit() -> None:
    (names,) = outcomes(leaf("body.files.*.name", "string", "EQUAL", "c"))
    assert (names.actual, names.reason) == (["a.jpg", "b.pdf"], "different value")
    (sizes,) = outcomes(leaf("body.sizes.*", "number", "EQUAL", ACTUAL_LIMIT))
    assert (sizes.actual, sizes.matched) == (list(range(ACTUAL_LIMIT)), True)
    (nothing,) = outcomes(leaf("body.status.*", "string", "EQUAL", "open"))
    assert (nothing.actual, nothing.reason) == ([], "absent")


def test_a_some_answers_for_itself_and_its_conditions_for_any_element() -> None:
    name, size = leaf("name", "string", "EQUAL", "a.jpg"), leaf("size", "number", "MORE", 10)
    reported = outcomes({"some": "body.files", "where": {"all": [name, size]}})
    assert [(one.path, one.matched, one.actual, one.reason) for one in reported] == [
        ("where", False, BODY["files"], "no single element satisfies all"),
        ("where.where.all[0]", True, ["a.jpg", "b.pdf"], None),
        ("where.where.all[1]", True, [5, 50, None], None),
    ]
    assert outcomes({"some": "body.status", "where": {}})[0].reason == "other type"
    assert outcomes({"some": "body.nowhere", "where": {}})[0].reason == "absent"


def test_a_group_without_parts_is_reported_too_because_it_decides() -> None:
    where = {"all": [leaf("body.status", "string", "EQUAL", "open"), {"any": []}, {"none": []}, {}]}
    assert [(one.path, one.matched, one.reason) for one in outcomes(where)] == [
        ("where.all[0]", True, None),
        ("where.all[1]", False, "empty group"),
        ("where.all[2]", True, None),
        ("where.all[3]", True, None),
    ]
    (whole,) = outcomes({"any": []})
    assert (whole.path, to_source(whole.condition), whole.matched) == ("where", {"any": []}, False)
