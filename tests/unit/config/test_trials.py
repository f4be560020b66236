"""A filter on a request that is split: judged part by part, as the pipeline does."""

from collections.abc import Mapping
from datetime import UTC, datetime

from libs.filters import parse
from services.config.trials import Parts, Request, Verdict, judge

NOW = datetime(2026, 1, 31, tzinfo=UTC)
FIELD = "body.entry.0.changes.0.field"


def changes(*fields: str) -> dict[str, object]:
    return {"changes": [{"field": field} for field in fields]}


BODY: dict[str, object] = {"entry": [changes("feed", "leadgen"), changes("leadgen"), {"id": "7"}]}


def is_field(value: str, param: str = FIELD) -> dict[str, object]:
    return {"param": param, "type": "string", "operator": "EQUAL", "value": value}


def judged(where: Mapping[str, object], *, is_split: bool = True, body: Mapping[str, object] = BODY) -> Verdict:
    return judge(parse(where), Request(headers={}, body=body, is_split=is_split), NOW, UTC)


def test_a_request_matches_if_one_of_its_parts_does_and_the_first_of_these_is_shown() -> None:
    verdict = judged(is_field("leadgen"))
    assert verdict.explanation.matched
    assert verdict.parts == Parts(count=4, matched=2, shown="body.entry.0.changes.1")
    assert [one.actual for one in verdict.explanation.outcomes] == ["leadgen"]


def test_where_no_part_matches_the_first_is_shown_also_if_the_whole_request_would_match() -> None:
    both = {"all": [is_field(field, "body.entry.*.changes.*.field") for field in ("feed", "leadgen")]}
    assert judged(both, is_split=False).explanation.matched
    verdict = judged(both)
    assert verdict.parts == Parts(count=4, matched=0, shown="body.entry.0.changes.0")
    assert [one.matched for one in verdict.explanation.outcomes] == [True, False]


def test_an_entry_without_changes_is_a_part() -> None:
    verdict = judged(is_field("7", "body.entry.0.id"))
    assert verdict.parts == Parts(count=4, matched=1, shown="body.entry.2")


def test_what_is_not_split_or_has_one_part_has_no_parts() -> None:
    assert judged(is_field("feed"), is_split=False).parts is None
    assert judged(is_field("feed"), body={"entry": [changes("feed")]}) == judged(
        is_field("feed"), body={"entry": [changes("feed")]}, is_split=False
    )
    assert judged(is_field("x", "body.a"), body={"a": "x"}).parts is None
