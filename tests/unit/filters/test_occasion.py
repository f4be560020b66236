"""What matching one event may cost is bounded, whatever authors and senders multiply."""

from typing import Any

import pytest

from libs.filters import TooCostlyError
from libs.filters.occasion import Occasion
from tests.unit.filters.strategies import NOW
from tests.unit.filters.test_matching import leaf, matcher_of

LIMIT_S = 0.05
# Its automaton outgrows its memory on these texts, so that RE2 takes the slow and exact way.
SLOW_PATTERN = "((a?){100}b?){8}[cd]$"
SLOW_TEXTS = {"items": [{"t": "a" * 4000}] * 100}
MANY_ITEMS = {"items": [{"t": "abc", "n": number} for number in range(24_000)]}


def absent(number: int) -> dict[str, Any]:
    return leaf("body.items.*.t", "string", "CONTAIN", f"z{number}")


@pytest.mark.parametrize(
    ("filters", "body"),
    [
        ([leaf("body.items.*.t", "string", "REGEXP", SLOW_PATTERN)], SLOW_TEXTS),
        ([{"some": "body.items", "where": leaf("t", "string", "REGEXP", SLOW_PATTERN)}], SLOW_TEXTS),
        ([{"none": [absent(number)]} for number in range(200)], MANY_ITEMS),
        (
            [{"some": "body.items", "where": {"any": [leaf("t", "string", "CONTAIN", f"z{n}") for n in range(200)]}}],
            MANY_ITEMS,
        ),
        ([leaf("body.items.*.n", "number", "BETWEEN", [0, 30_000 + n]) for n in range(1000)], MANY_ITEMS),
    ],
    ids=["patterns on texts", "a pattern on elements", "conditions on values", "conditions on elements", "ranges"],
)
def test_what_multiplies_is_given_up(filters: list[dict[str, Any]], body: object) -> None:
    with pytest.raises(TooCostlyError):
        matcher_of(*filters).match(body, {}, NOW, limit_s=LIMIT_S)


def test_few_steps_are_never_too_many_however_slow_the_machine() -> None:
    occasion = Occasion(NOW, limit_s=0)
    for _ in range(1000):
        occasion.spend(60)
    assert matcher_of(absent(1)).match({"items": [{"t": "z1"}] * 1000}, {}, NOW, limit_s=0) == [0]
