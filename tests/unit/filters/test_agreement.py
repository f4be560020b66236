"""The compiled matcher, the explanation and the naive interpreter agree on everything that is generated."""

from datetime import UTC, tzinfo
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.filters import compile_matcher, explain, parse, to_source
from tests.unit.filters import oracle
from tests.unit.filters.strategies import (
    NOW,
    ZONES,
    bodies,
    dense_bodies,
    dense_filters,
    documents,
    filters,
    headers,
)

rules = st.lists(st.tuples(filters, st.sampled_from(ZONES)), max_size=20)


@settings(max_examples=200, deadline=None)
@given(rules, st.lists(st.tuples(bodies, headers), min_size=1, max_size=4))
def test_the_matcher_finds_exactly_the_rules_that_the_interpreter_finds(
    rules: list[tuple[dict[str, Any], tzinfo]], events: list[tuple[dict[str, Any], dict[str, str]]]
) -> None:
    matcher = compile_matcher((key, parse(where), zone) for key, (where, zone) in enumerate(rules))
    for body, event_headers in events:
        expected = [
            key for key, (where, zone) in enumerate(rules) if oracle.holds(where, body, event_headers, NOW, zone)
        ]
        assert matcher.match(body, event_headers, NOW) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(dense_filters, min_size=10, max_size=25), st.lists(dense_bodies, min_size=3, max_size=6))
def test_rules_that_overlap_do_not_disturb_each_other(
    rules: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    matcher = compile_matcher((key, parse(where), UTC) for key, where in enumerate(rules))
    for body in events:
        expected = [key for key, where in enumerate(rules) if oracle.holds(where, body, {}, NOW, UTC)]
        assert matcher.match(body, {}, NOW) == expected


@settings(max_examples=100, deadline=None)
@given(filters, bodies, headers, st.sampled_from(ZONES))
def test_the_explanation_agrees_with_the_interpreter_on_the_whole_and_on_each_condition(
    where: dict[str, Any], body: dict[str, Any], event_headers: dict[str, str], zone: tzinfo
) -> None:
    explanation = explain(parse(where), body, event_headers, NOW, zone)
    assert explanation.matched is oracle.holds(where, body, event_headers, NOW, zone)
    for outcome in explanation.outcomes:
        assert (outcome.reason is None) is outcome.matched
        if ".where" not in outcome.path:
            source = to_source(outcome.condition)
            assert outcome.matched is oracle.holds(source, body, event_headers, NOW, zone)


@settings(max_examples=100, deadline=None)
@given(filters)
def test_parsing_what_was_encoded_gives_the_same_filter(where: dict[str, Any]) -> None:
    parsed = parse(where)
    decoded = msgspec.json.decode(msgspec.json.encode(to_source(parsed)))
    assert repr(parse(decoded)) == repr(parsed)  # repr, because to Python 1 equals 1.0 and true


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**4000, -(10**4000)]),
        st.floats(),
        st.text(st.characters(codec=None)),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.sampled_from("ab*"), inner),
    max_leaves=30,
)


@settings(max_examples=100, deadline=None)
@given(rules, anything | documents, headers)
def test_matching_and_explaining_never_raise_whatever_the_document(
    rules: list[tuple[dict[str, Any], tzinfo]], body: object, event_headers: dict[str, str]
) -> None:
    parsed = [(key, parse(where), zone) for key, (where, zone) in enumerate(rules)]
    matched = compile_matcher(parsed).match(body, event_headers, NOW)
    for key, where, zone in parsed:
        assert explain(where, body, event_headers, NOW, zone).matched is (key in matched)
