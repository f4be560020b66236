import pytest

from libs.exactly_once.progress import STANDSTILL_LIMIT_S, Mark, Progress

STILL = Mark(turn=1, committed=10, read=20)


def test_a_partition_that_waits_at_one_mark_for_too_long_stands_still() -> None:
    progress = Progress()
    assert progress.standing_still(0, {3: STILL}) == []
    assert progress.standing_still(STANDSTILL_LIMIT_S, {3: STILL}) == []
    assert progress.standing_still(STANDSTILL_LIMIT_S + 1, {3: STILL}) == [3]


@pytest.mark.parametrize("moved", [STILL._replace(turn=2), STILL._replace(committed=11), STILL._replace(read=21)])
def test_whatever_is_committed_read_or_tried_again_is_progress(moved: Mark) -> None:
    progress = Progress()
    progress.standing_still(0, {3: STILL})
    progress.standing_still(STANDSTILL_LIMIT_S, {3: moved})
    assert progress.standing_still(STANDSTILL_LIMIT_S + 1, {3: moved}) == []


def test_a_partition_for_which_nothing_was_known_to_wait_starts_anew() -> None:
    progress = Progress()
    progress.standing_still(0, {3: STILL})
    progress.standing_still(10, {})
    assert progress.standing_still(STANDSTILL_LIMIT_S + 1, {3: STILL}) == []
