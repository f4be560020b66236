"""What the page of an explanation shows: each condition within its group, and never more than there is room for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from markupsafe import escape

from libs.filters import Outcome, explain, parse
from libs.messages import IntegrationRef
from libs.parameters import flatten
from services.config.console.explained import Line, lines_of, shown
from services.config.entries import Place
from services.config.evaluations import BusinessEventEvaluation
from services.config.explanations import EventExplanation
from services.config.sightings import Sighting

AT = datetime(2026, 1, 31, 9, 15, 30, tzinfo=UTC)


def condition(param: str, value: str) -> dict[str, object]:
    return {"param": param, "type": "string", "operator": "EQUAL", "value": value}


def outcomes(where: dict[str, object], body: Mapping[str, object]) -> tuple[Outcome, ...]:
    return explain(parse(where), body, {}, AT, UTC).outcomes


def explanation(
    *, event: Sighting | None = None, business_events: Sequence[BusinessEventEvaluation] = ()
) -> EventExplanation:
    return EventExplanation(
        id="e",
        at=AT,
        integration_id="i",
        recorded=None,
        event=event,
        deduplication=None,
        business_events=business_events,
        are_all=True,
    )


def as_text(line: Line) -> str:
    what = line.group or f"{'✓' if line.outcome and line.outcome.matched else '✗'} {'good' if line.helps else 'bad'}"
    return f"{'  ' * line.depth}{what}"


def test_every_condition_stands_in_its_group_and_of_what_none_may_hold_a_cross_is_good() -> None:
    nested = {"none": [condition("body.status", "closed"), {"none": [condition("body.status", "new")]}]}
    files = {"some": "body.files", "where": {"any": [condition("name", "a"), condition("name", "b")]}}
    where: dict[str, object] = {"all": [condition("body.priority", "high"), nested, files]}
    found = outcomes(where, {"priority": "low", "status": "new", "files": [{"name": "b"}]})
    assert [as_text(line) for line in lines_of(found)] == [
        "all",
        "  ✗ bad",
        "  none",
        "    ✗ good",
        "    none",
        "      ✓ good",
        "  ✓ good",
        "    any",
        "      ✗ bad",
        "      ✓ good",
    ]


def test_a_group_without_conditions_stands_in_its_place_and_says_how_it_came_out() -> None:
    where: dict[str, object] = {"all": [condition("body.priority", "high"), {"any": []}, {"none": [{"all": []}]}]}
    found = outcomes(where, {"priority": "high"})
    assert [as_text(line) for line in lines_of(found)] == [
        "all",
        "  ✓ good",
        "  any",
        "    ✗ bad",
        "  none",
        "    all",
        "      ✓ bad",
    ]


def test_a_filter_of_one_condition_has_no_group() -> None:
    found = outcomes(condition("body.priority", "high"), {"priority": "high"})
    assert [as_text(line) for line in lines_of(found)] == ["✓ good"]


def test_where_there_are_too_many_conditions_for_a_page_the_first_business_events_have_theirs() -> None:
    anything: dict[str, object] = {"any": [condition("body.a", str(number)) for number in range(250)]}
    conditions = outcomes(anything, {})
    evaluations = [
        BusinessEventEvaluation(
            id=str(number), name="b", state="active", version=1, matched=False, conditions=conditions
        )
        for number in range(4)
    ]
    lines = [one.lines for one in shown(explanation(business_events=evaluations)).evaluations]
    assert [None if one is None else len(one) for one in lines] == [251, 251, None, None]


def test_parameters_with_long_names_do_not_make_a_page_longer_than_it_may_be() -> None:
    headers = {"x-form-id": "7"}
    body: dict[str, object] = dict.fromkeys([*(f"{number:03}{'<' * 400}" for number in range(200)), "long" * 10_000])
    event = Sighting(
        id="e",
        request_id=None,
        workspace="w",
        integration=IntegrationRef(id="i", name="Complaints", version=1),
        received_at=AT,
        headers=headers,
        body=body,
        parameters=flatten(headers, body),
        place=Place("inlet.events", 0, 0),
        timestamp_ms=0,
    )
    excerpt = shown(explanation(event=event))
    names = [name for name, _ in excerpt.parameters]
    assert names[0].startswith("body.000")
    assert names[-1] == "headers.x-form-id"
    assert sum(len(escape(name)) for name in names) < 100_000
    assert excerpt.raw == ""
