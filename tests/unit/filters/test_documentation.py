"""The examples of the documentation do what the documentation says."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from libs.filters import FilterError, compile_matcher, explain, parse

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(.+)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
EVENT: dict[str, Any] = json.loads(next(text for kind, text in BLOCKS if kind == "json event"))
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")


def examples(kind: str) -> Iterator[Any]:
    return (json.loads(text) for name, text in BLOCKS if name == f"json {kind}")


def test_every_block_is_of_a_kind_that_is_executed() -> None:
    kinds = {"json event", "json holds", "json does not hold", "json refused", "text faults"}
    assert {kind for kind, _ in BLOCKS} == kinds
    assert PAGE.count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize(("kind", "expected"), [("holds", True), ("does not hold", False)])
def test_an_example_holds_or_does_not_hold_as_it_says(kind: str, expected: bool) -> None:  # noqa: FBT001
    for example in examples(kind):
        where = parse(example)
        assert explain(where, EVENT["body"], EVENT["headers"], NOW, WARSAW).matched is expected, example
        matched = compile_matcher([("it", where, WARSAW)]).match(EVENT["body"], EVENT["headers"], NOW)
        assert matched == ["it"] * expected, example


def test_the_refused_example_has_the_faults_that_are_shown() -> None:
    shown = next(text for kind, text in BLOCKS if kind == "text faults").splitlines()
    with pytest.raises(FilterError) as refused:
        parse(next(examples("refused")))
    assert [f"{fault.path}: {fault.message}" for fault in refused.value.faults] == shown
