"""A matcher asks first what the fewest events satisfy."""

from datetime import UTC

from libs.filters.atoms import Affix, Exact, Feature, Quantity, Range, check_of
from libs.filters.language import All
from libs.filters.selectivity import by_selectivity

TEXT = Quantity(("body", "name"), Feature.TEXT)
KEY = Quantity(("body", "status"), Feature.SCALAR)
AMOUNT = Quantity(("body", "amount"), Feature.NUMBER)


def test_words_come_before_keys_where_there_are_more_of_them() -> None:
    words = [Affix(TEXT, word, at_end=False) for word in "abc"]
    keys = [Exact(KEY, (key,)) for key in ("open", "closed")]
    assert by_selectivity([*keys, *words]) == [*words, *keys]
    assert by_selectivity([*keys, *words[:1]]) == [*keys, *words[:1]]


def test_a_condition_that_takes_many_keys_comes_after_one_that_takes_few() -> None:
    many, few = Exact(KEY, ("a", "b", "c")), Exact(KEY, ("d",))
    assert by_selectivity([many, few]) == [few, many]


def test_the_narrowest_range_comes_first_whichever_its_side_and_before_what_is_evaluated() -> None:
    above, below = [Range(AMOUNT, low=n) for n in range(3)], [Range(AMOUNT, high=n + 0.5) for n in range(2)]
    within, evaluated = Range(AMOUNT, low=0, high=-1), check_of(All(parts=()), UTC)
    ordered = by_selectivity([evaluated, *above, *below, within])
    assert ordered[:4] == [above[2], within, above[1], below[0]]
    assert ordered[-1] == evaluated
