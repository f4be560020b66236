"""Split requests, checked over every interleaving of the model, and why their records meet in one partition."""

import pytest

from tests.unit.model.batches import PROTOCOL, Budget, by_event_id, explore

NOTHING_BREAKS = Budget(0, 0, 0)


@pytest.mark.parametrize("requests", [("aab", "ba"), ("ab", "ba"), ("aa", "a"), ("abab",)], ids=str)
def test_each_hash_has_one_event_whatever_is_repeated_or_dies(requests: tuple[str, ...]) -> None:
    assert explore(PROTOCOL, *requests) == set()


def test_a_batch_that_is_sent_again_after_everything_that_can_happen_has_one_event_for_each_hash() -> None:
    assert explore(PROTOCOL, "aab", attempts=3, budget=Budget(2, 2, 1)) == set()


def test_records_that_lie_anywhere_give_two_events_even_if_nothing_breaks() -> None:
    anywhere = PROTOCOL._replace(place=by_event_id)
    assert explore(anywhere, "ab", "ba", budget=NOTHING_BREAKS) == {"two events of one hash"}


def test_equal_hashes_of_one_record_must_be_told_apart_before_the_store_is_asked() -> None:
    without = PROTOCOL._replace(ask_about=lambda hashes: hashes)
    assert explore(without, "aa", budget=NOTHING_BREAKS) == {"two events of one hash"}
