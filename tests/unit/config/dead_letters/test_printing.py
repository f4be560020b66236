"""What reaches a terminal."""

from services.config.dead_letters.printing import counts


def test_causes_are_counted_the_most_frequent_first() -> None:
    assert list(counts({"a": 2, "b\x1b": 1000})) == ["  1,000  b\\x1b", "      2  a"]
