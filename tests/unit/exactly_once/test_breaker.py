import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.exactly_once.breaker import DEAD_LETTERS_AT_LEAST, WINDOW_RECORDS, Breaker, failures
from libs.exactly_once.outcomes import TOO_COSTLY, TOO_LARGE, DeadLetter
from libs.replays import REPLAY_OF
from tests.unit.exactly_once.records import MemoryRecord


def test_nineteen_dead_letters_in_a_row_do_not_stop_a_service() -> None:
    assert not Breaker().trips([True] * 19)


def test_twenty_dead_letters_in_a_row_stop_it() -> None:
    assert Breaker().trips([True] * 20)


def test_half_of_the_records_may_fail_but_not_more() -> None:
    assert not Breaker().trips([False, True] * 500)
    assert Breaker().trips([False, True] * 50 + [True, True])


def test_good_records_at_the_end_of_a_portion_do_not_hide_a_bad_beginning() -> None:
    assert Breaker().trips([True] * 20 + [False] * 980)


def test_only_what_was_committed_is_remembered() -> None:
    breaker = Breaker()
    assert not breaker.trips([True] * 19)
    assert not breaker.trips([True] * 19)
    breaker.note([True] * 19)
    assert breaker.trips([True])


def test_what_left_the_window_counts_no_more() -> None:
    breaker = Breaker()
    breaker.note([True] * 19)
    breaker.note([False] * WINDOW_RECORDS)
    assert not breaker.trips([True] * 50)


@pytest.mark.parametrize("blameless", [TOO_LARGE, TOO_COSTLY])
def test_what_any_sender_can_bring_about_says_nothing_about_a_service(blameless: DeadLetter) -> None:
    records = [MemoryRecord()] * 100
    assert failures(records, [[], blameless, DeadLetter("malformed-event")]) == [False, True]
    assert not Breaker().trips(failures(records, [blameless] * 100))


def test_replays_that_fail_again_do_not_stop_a_service() -> None:
    replay = MemoryRecord(headers=[(REPLAY_OF, b"inlet.requests/3/17")])
    dead = DeadLetter("malformed-event")
    assert failures([replay, MemoryRecord(), replay], [dead, dead, []]) == [True, False]


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 300))
def test_it_agrees_with_counting_wherever_the_records_are_cut_into_portions(dead: list[bool], cut: int) -> None:
    breaker = Breaker()
    first, second = dead[:cut], dead[cut:]
    tripped = breaker.trips(first)
    breaker.note(first)
    assert (tripped or breaker.trips(second)) == any(_too_many(dead[: end + 1]) for end in range(len(dead)))


def _too_many(dead: list[bool]) -> bool:
    window = dead[-WINDOW_RECORDS:]
    return window[-1] and window.count(True) >= DEAD_LETTERS_AT_LEAST and window.count(True) > len(window) / 2
