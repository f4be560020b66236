"""What follows from how the matcher is built: order, sharing, exactness, cost."""

import sys
from collections.abc import Callable
from datetime import UTC
from types import FrameType
from typing import Any

import pytest

from libs.filters import All, Condition, Filter, Matcher, compile_matcher, parse
from libs.filters.language import Operand, Path, Type
from libs.filters.parsing import CONDITIONS_LIMIT
from tests.unit.filters.strategies import NOW

OPCODES_LIMIT = 500_000


def condition(path: Path, type_: Type, operator: str, value: Operand = None, *, ignore_case: bool = False) -> Condition:
    return Condition(path=("body", *path), type=type_, operator=operator, value=value, ignore_case=ignore_case)


def matcher_of(*sources: dict[str, Any]) -> Matcher[int]:
    return compile_matcher((key, parse(source), UTC) for key, source in enumerate(sources))


def leaf(param: str, type_: str, operator: str, *value: object) -> dict[str, Any]:
    return {"param": param, "type": type_, "operator": operator, **({"value": value[0]} if value else {})}


def test_a_rule_is_answered_once_and_in_the_order_of_the_rules() -> None:
    high = leaf("body.a", "string", "EQUAL", "high")
    long = leaf("body.a", "string", "STARTS_WITH", "h")
    matcher = matcher_of({"any": [high, long, {"all": [high, long]}]}, {}, long, high, {"none": [high]})
    assert matcher.match({"a": "high"}, {}, NOW) == [0, 1, 2, 3]
    assert len(matcher) == 5


def test_an_empty_matcher_matches_nothing() -> None:
    assert compile_matcher([]).match({"a": 1}, {}, NOW) == []


def test_empty_groups_mean_what_logic_says() -> None:
    assert matcher_of({}, {"all": []}, {"any": []}, {"none": []}, {"none": [{}]}).match({}, {}, NOW) == [0, 1, 3]


def test_true_is_not_1_and_text_is_not_a_number() -> None:
    matcher = matcher_of(
        leaf("body.a", "number", "EQUAL", 1),
        leaf("body.a", "boolean", "IS_TRUE"),
        leaf("body.a", "string", "EQUAL", "1"),
        leaf("body.a", "number", "IN", [0, 1, 5]),
        leaf("body.a", "array", "CONTAIN", 1),
        leaf("body.a", "array", "CONTAIN", True),
        {"none": [leaf("body.a", "array", "CONTAIN", 1)]},
        {"none": [leaf("body.a", "array", "CONTAIN", True)]},
    )
    assert matcher.match({"a": 1}, {}, NOW) == [0, 3, 6, 7]
    assert matcher.match({"a": 1.0}, {}, NOW) == [0, 3, 6, 7]
    assert matcher.match({"a": True}, {}, NOW) == [1, 6, 7]
    assert matcher.match({"a": "1"}, {}, NOW) == [2, 6, 7]
    assert matcher.match({"a": [1]}, {}, NOW) == [4, 7]
    assert matcher.match({"a": [True]}, {}, NOW) == [5, 6]


def test_a_star_lets_each_condition_choose_its_element_and_some_does_not() -> None:
    name, size = leaf("name", "string", "EQUAL", "a.jpg"), leaf("size", "number", "MORE", 10)
    matcher = matcher_of(
        {"all": [{**part, "param": f"body.files.*.{part['param']}"} for part in (name, size)]},
        {"some": "body.files", "where": {"all": [name, size]}},
    )
    assert matcher.match({"files": [{"name": "a.jpg", "size": 5}, {"name": "b", "size": 50}]}, {}, NOW) == [0]
    assert matcher.match({"files": [{"name": "a.jpg", "size": 50}, {"name": "b"}]}, {}, NOW) == [0, 1]
    assert matcher.match({"files": {"name": "a.jpg", "size": 50}}, {}, NOW) == []


def test_two_bounds_behind_a_star_may_be_met_by_two_elements() -> None:
    above, below = leaf("body.sizes.*", "number", "MORE", 10), leaf("body.sizes.*", "number", "LESS", 5)
    assert matcher_of({"all": [above, below]}).match({"sizes": [20, 3]}, {}, NOW) == [0]


def test_two_bounds_on_one_number_are_met_by_that_number() -> None:
    above, below = leaf("body.size", "number", "MORE", 5), leaf("body.size", "number", "LESS", 10)
    at_least, at_most = (
        leaf("body.size", "number", "MORE_OR_EQUAL", 5),
        leaf("body.size", "number", "LESS_OR_EQUAL", 10),
    )
    pairs = [
        [above, below],
        [below, at_least],
        [at_most, above],
        [at_least, at_most, above, leaf("body.size", "number", "MORE", 2)],
        [at_least, at_most, below, leaf("body.size", "number", "LESS", 20)],
    ]
    matcher = matcher_of(*({"all": pair} for pair in pairs), {"all": [above, leaf("body.size", "number", "LESS", 5)]})
    assert [matcher.match({"size": size}, {}, NOW) for size in (4, 5, 6, 10, 11)] == [
        [],
        [1, 4],
        [0, 1, 2, 3, 4],
        [2, 3],
        [],
    ]


def test_a_value_leads_to_the_rules_that_ask_for_it_alone_and_to_those_that_list_it() -> None:
    alone, listed = leaf("body.a", "string", "EQUAL", "x"), leaf("body.a", "string", "IN", ["x", "y"])
    also = leaf("body.a", "string", "IN", ["y", "z"])
    matcher = matcher_of(alone, listed, also, {"any": [alone, also]})
    assert [matcher.match({"a": text}, {}, NOW) for text in "xyz"] == [[0, 1, 3], [1, 2, 3], [2, 3]]


def test_nan_which_is_no_json_is_no_number() -> None:
    operators = ["EQUAL", "NOT_EQUAL", "LESS", "MORE", "LESS_OR_EQUAL", "MORE_OR_EQUAL"]
    matcher = matcher_of(*(leaf("body.a", "number", operator, 1) for operator in operators))
    assert matcher.match({"a": float("nan")}, {}, NOW) == []


def test_not_exists_with_a_star_asks_for_an_element_that_lacks_it() -> None:
    lacks = leaf("body.files.*.name", "any", "NOT_EXISTS")
    nowhere = {"none": [leaf("body.files.*.name", "any", "EXISTS")]}
    matcher = matcher_of(lacks, nowhere)
    assert matcher.match({"files": [{"name": 1}, {}]}, {}, NOW) == [0]
    assert matcher.match({"files": [{"name": 1}]}, {}, NOW) == []
    assert matcher.match({"files": [{}]}, {}, NOW) == [0, 1]
    assert matcher.match({"files": []}, {}, NOW) == [1]
    assert matcher.match({}, {}, NOW) == [1]


def test_an_object_where_a_leaf_is_expected_hides_no_other_rule() -> None:
    matcher = matcher_of(
        leaf("body.a", "string", "EQUAL", "x"), leaf("body.b", "string", "EQUAL", "x"), leaf("body.a", "any", "EXISTS")
    )
    assert matcher.match({"a": {"x": []}, "b": "x"}, {}, NOW) == [1, 2]
    assert matcher.match({"a": ["x"], "b": "x"}, {}, NOW) == [1, 2]


def test_an_index_is_written_in_one_way_only() -> None:
    spellings = ["1", "01", "-1", "+1", "1.0", "\u0661", " 1", "2", "1" * 30]
    matcher = matcher_of(*(leaf(f"body.{spelling}", "any", "EXISTS") for spelling in spellings))
    assert matcher.match(["a", "b"], {}, NOW) == [0]
    starred = matcher_of(*(leaf(f"body.list.*.{spelling}", "any", "EXISTS") for spelling in spellings))
    assert starred.match({"list": [["a", "b"]]}, {}, NOW) == [0]


def test_a_star_is_a_key_where_there_are_no_elements() -> None:
    matcher = matcher_of(
        leaf("headers.*", "string", "EQUAL", "x"),
        leaf("body.a.*", "string", "EQUAL", "x"),
        leaf("body.*.a", "any", "NOT_EXISTS"),
    )
    assert matcher.match({"a": {"*": "x"}}, {"*": "x"}, NOW) == [0, 1]
    assert matcher.match({"a": {"b": "x"}}, {"b": "x"}, NOW) == []


def test_headers_are_read_from_any_mapping() -> None:
    matcher = matcher_of(leaf("headers.X-Form-Id", "string", "EQUAL", "7"), leaf("headers.x", "any", "NOT_EXISTS"))
    assert matcher.match({}, {"x-form-id": "7"}, NOW) == [0, 1]
    assert matcher.match({}, {"x": ""}, NOW) == []


def test_the_longest_conjunction_compiles_and_matches() -> None:
    parts = [leaf(f"body.{n}", "string", "NOT_EQUAL", "x") for n in range(CONDITIONS_LIMIT)]
    matcher = matcher_of({"all": parts})
    body = {str(n): "y" for n in range(CONDITIONS_LIMIT)}
    assert matcher.match(body, {}, NOW) == [0]
    assert matcher.match({**body, "200": "x"}, {}, NOW) == []


def test_a_conjunction_of_any_length_compiles() -> None:
    one = condition(("n",), "number", "MORE", 0)
    parts = tuple(condition((str(n), "*"), "number", "MORE", 0) for n in range(2 * sys.getrecursionlimit()))
    matcher = compile_matcher([(0, All(parts=(one, *parts)), UTC), (1, one, UTC)])
    body = {str(n): [1] for n in range(len(parts))}
    assert matcher.match({**body, "n": 1}, {}, NOW) == [0, 1]
    assert matcher.match({**body, "n": 1, "7": [0]}, {}, NOW) == [1]


def test_a_large_pattern_is_searched_in_shorter_texts_only() -> None:
    matcher = matcher_of(leaf("body.a", "string", "REGEXP", "a[ab]{900}c"), leaf("body.a", "string", "REGEXP", "ac"))
    assert matcher.match({"a": "ba" * 4_000 + "c"}, {}, NOW) == [0, 1]
    assert matcher.match({"a": "ba" * 5_000 + "c"}, {}, NOW) == [1]


def test_alternatives_do_not_multiply_without_bound() -> None:
    choices = [
        {"any": [leaf(f"body.{group}", "string", "STARTS_WITH", str(n)) for n in range(16)]} for group in range(16)
    ]
    matcher = matcher_of({"all": choices})
    assert matcher.match({str(group): "7" for group in range(16)}, {}, NOW) == [0]
    assert matcher.match({str(group): "7" for group in range(15)}, {}, NOW) == []


@pytest.mark.parametrize(
    "wanted", [leaf("", "string", "IN", [f"t{n}" for n in range(100)]), leaf("", "number", "BETWEEN", [0, 100])]
)
def test_elements_that_satisfy_one_condition_lead_on_once(wanted: dict[str, Any]) -> None:
    matcher = matcher_of({"all": [{**wanted, "param": f"body.list.*.{key}"} for key in "abcdef"]})
    values = [f"t{n}" if wanted["type"] == "string" else n for n in range(100)]
    body = {"list": [dict.fromkeys("abcdef", value) for value in values]}
    assert opcodes(matcher, body) < OPCODES_LIMIT  # 100 ** 6 visits if they multiplied


def test_a_lone_surrogate_in_the_event_is_searched_like_any_text() -> None:
    assert matcher_of(leaf("body.a", "string", "REGEXP", "b$")).match({"a": "\ud800b"}, {}, NOW) == [0]


class Text(str):
    """Counts how often somebody looks inside."""

    __slots__ = ("looks",)
    looks: int

    def __contains__(self, part: object) -> bool:
        self.looks += 1
        return super().__contains__(part)  # type: ignore[operator]


def test_an_equal_condition_is_evaluated_once_per_event() -> None:
    text = Text("abc")
    text.looks = 0
    lacks = leaf("body.text", "string", "NOT_CONTAIN", "x")
    matcher = matcher_of(*({"all": [leaf("body.tags", "array", "CONTAIN", n), lacks]} for n in range(50)))
    assert matcher.match({"tags": list(range(50)), "text": text}, {}, NOW) == list(range(50))
    assert text.looks == 1


def opcodes(matcher: Matcher[int], body: object) -> int:
    """How many instructions Python executes to match one event: a cost that no clock can blur."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        assert count < OPCODES_LIMIT, "the cost multiplies"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        matcher.match(body, {}, NOW)
    finally:
        sys.settrace(before)
    return count


EVENT = {
    "status": "open",
    "customer": "c-none",
    "amount": 0.5,
    "list": [{"sku": "s-none", "price": 0.5}],
    "tags": ["none"],
    "at": "2026-01-01T00:00:00Z",
}
KINDS: dict[str, Callable[[int], Filter]] = {
    "equality": lambda n: condition(("customer",), "string", "EQUAL", f"c-{n}"),
    "equality ignoring case": lambda n: condition(("customer",), "string", "EQUAL", f"C-{n}", ignore_case=True),
    "equality after one that holds": lambda n: All(
        parts=(
            condition(("status",), "string", "EQUAL", "open"),
            condition(("customer",), "string", "EQUAL", f"c-{n}"),
        )
    ),
    "a list": lambda n: condition(("customer",), "string", "IN", (f"c-{n}", f"c-{n + 1}", f"d-{n}")),
    "a prefix": lambda n: condition(("customer",), "string", "STARTS_WITH", f"c-{n}-"),
    "a suffix": lambda n: condition(("customer",), "string", "ENDS_WITH", f"-{n}"),
    "a threshold": lambda n: condition(("amount",), "number", "MORE", n + 1),
    "a range": lambda n: condition(("amount",), "number", "BETWEEN", (n + 1, n + 2)),
    "two bounds": lambda n: All(
        parts=(
            condition(("amount",), "number", "LESS", n + 1),
            condition(("amount",), "number", "MORE_OR_EQUAL", n + 0.9),
        )
    ),
    "a bound that holds, but not the equality beside it": lambda n: All(
        parts=(
            condition(("status",), "string", "EQUAL", f"s-{n % 2}"),
            condition(("amount",), "number", "LESS", n + 1),
        )
    ),
    "a date": lambda n: condition(("at",), "date", "MORE", f"{2027 + n % 1000}-01-01"),
    "an element": lambda n: condition(("tags",), "array", "CONTAIN", f"t-{n}"),
    "a star": lambda n: condition(("list", "*", "sku"), "string", "EQUAL", f"s-{n}"),
    "a star's range": lambda n: condition(("list", "*", "price"), "number", "BETWEEN", (n + 1, n + 2)),
    "some": lambda n: parse(
        {
            "some": "body.list",
            "where": {"all": [leaf("sku", "string", "EQUAL", f"s-{n}"), leaf("price", "number", "LESS", 10)]},
        }
    ),
    "a choice": lambda n: parse(
        {
            "any": [
                leaf("body.customer", "string", "EQUAL", f"c-{n}"),
                leaf("body.amount", "number", "MORE", n + 1),
            ]
        }
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rules_that_do_not_hold_cost_nothing(kind: str) -> None:
    few = compile_matcher((n, KINDS[kind](n), UTC) for n in range(10))
    many = compile_matcher((n, KINDS[kind](n), UTC) for n in range(2_000))
    assert few.match(EVENT, {}, NOW) == many.match(EVENT, {}, NOW) == []
    # A tree of 2,000 ranges is eight levels higher than one of 10; everything else must cost the same.
    assert opcodes(many, EVENT) <= opcodes(few, EVENT) + 200
