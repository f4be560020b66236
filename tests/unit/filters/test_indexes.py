"""The indexes answer what a scan of all their entries would."""

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.filters.atoms import Feature, Quantity, Range
from libs.filters.indexes import by_prefix, by_range, by_suffix

AMOUNT = Quantity(("body", "a"), Feature.NUMBER)
words = st.text("ab", max_size=5)
numbers = st.integers(0, 8) | st.sampled_from([0.5, 1.5, 2.5])
ranges = st.builds(Range, st.just(AMOUNT), numbers, st.booleans(), numbers, st.booleans())


def contains(one: Range, number: float) -> bool:
    assert one.low is not None
    assert one.high is not None
    reached = one.low < number if one.low_strict else one.low <= number
    return reached and (number < one.high if one.high_strict else number <= one.high)


@settings(deadline=None)
@given(st.sets(words, min_size=1), st.lists(words, min_size=1))
def test_a_text_finds_every_word_that_it_starts_or_ends_with(filed: set[str], texts: list[str]) -> None:
    starts, ends = by_prefix({word: word for word in filed}), by_suffix({word: word for word in filed})
    for text in texts:
        assert sorted(starts(text)) == sorted(word for word in filed if text.startswith(word))
        assert sorted(ends(text)) == sorted(word for word in filed if text.endswith(word))


@settings(deadline=None)
@given(st.lists(ranges, max_size=30), st.lists(numbers, min_size=1))
def test_a_number_finds_every_range_around_it_and_a_bound_that_is_strict_keeps_it_out(
    filed: list[Range], probes: list[float]
) -> None:
    around = by_range([(one, position) for position, one in enumerate(filed)])
    for number in probes:
        assert sorted(around(number)) == [position for position, one in enumerate(filed) if contains(one, number)]
