"""Counting requests: nothing is counted twice or lost, and what strangers can fill is bounded."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from libs.activity import Input, Rejection, inputs_of
from libs.deduplication import Hasher
from services.ingress.tally import REMEMBERED_LIMIT, REMEMBERED_OF_ALL_LIMIT, Repetition, Taken, Tallies, Tally

NOW_NS = 1_769_850_930_123_456_789
AT = "2026-01-31T09:15:30.123456Z"
HASHER = Hasher("i", ("body.id", "headers.x"))
BODY = {"id": "x" * 1000}


def tallies() -> Tallies:
    return Tallies(lambda: NOW_NS)


def repeat(tally: Tally, event_id: str = "e") -> None:
    tally.repeat(event_id, "h", lambda: inputs_of(HASHER, {}, BODY))


def reject(tally: Tally) -> None:
    tally.reject(401, lambda: "no token")


def counts(taken: Taken) -> tuple[int, int, int]:
    return taken.accepted, taken.duplicates, taken.rejected


def test_what_is_taken_is_counted_and_remembered_and_then_gone() -> None:
    some = tallies()
    tally, quiet = some.of("i"), some.of("quiet")
    tally.accept()
    tally.accept()
    repeat(tally)
    reject(tally)
    [taken] = some.take()
    assert (taken.tally, counts(taken)) == (tally, (2, 1, 1))
    shown = (Input(parameter="body.id", value="x" * 200 + "…"), Input(parameter="headers.x"))
    assert taken.repetitions == [Repetition("h", "e", AT, shown)]
    [rejection] = taken.rejections
    assert rejection == Rejection(id=rejection.id, at=AT, status=401, reason="no token")
    assert some.take() == []
    quiet.accept()
    assert [one.tally.integration_id for one in some.take()] == ["quiet"]


def test_of_many_requests_few_are_remembered_and_all_are_counted() -> None:
    some = tallies()
    tally = some.of("i")
    for _ in range(1000):
        reject(tally)
        repeat(tally)
    [taken] = some.take()
    assert counts(taken) == (0, 1000, 1000)
    assert len(taken.repetitions) == len(taken.rejections) == REMEMBERED_LIMIT


def test_a_reason_is_not_asked_for_when_there_is_no_room() -> None:
    tally, asked = tallies().of("i"), 0

    def reason() -> str:
        nonlocal asked
        asked += 1
        return "r"

    for _ in range(100):
        tally.reject(400, reason)
    assert asked == REMEMBERED_LIMIT


def test_of_all_integrations_together_a_limited_number_is_remembered_each_second() -> None:
    some = tallies()
    many = [some.of(str(number)) for number in range(REMEMBERED_OF_ALL_LIMIT)]
    for _ in range(2):
        for tally in many:
            reject(tally)
            repeat(tally)
        taken = some.take()
        assert sum(map(counts, taken), ()) == (0, 1, 1) * len(many)
        assert sum(len(one.repetitions) + len(one.rejections) for one in taken) == REMEMBERED_OF_ALL_LIMIT


def test_what_is_given_back_is_remembered_only_while_there_is_room() -> None:
    some = tallies()
    tally = some.of("i")
    for _ in range(5):
        for _ in range(8):
            reject(tally)
            repeat(tally)
        [taken] = some.take()
        assert len(taken.rejections) <= REMEMBERED_LIMIT
        taken.give_back()
    [taken] = some.take()
    assert counts(taken) == (0, 40, 40)
    assert len(taken.repetitions) == len(taken.rejections) == REMEMBERED_LIMIT


STEPS = st.lists(st.sampled_from(["accept", "repeat", "reject", "write", "fail"]))


@given(STEPS)
def test_however_often_writing_fails_everything_is_counted_once(steps: list[str]) -> None:
    some = tallies()
    tally, done, written = some.of("i"), {"accept": 0, "repeat": 0, "reject": 0}, [0, 0, 0]
    does: dict[str, Callable[[], None]] = {
        "accept": tally.accept,
        "repeat": lambda: repeat(tally),
        "reject": lambda: reject(tally),
    }
    for step in [*steps, "write"]:
        if step in does:
            does[step]()
            done[step] += 1
            continue
        for taken in some.take():
            if step == "fail":
                taken.give_back()
            else:
                written = [one + more for one, more in zip(written, counts(taken), strict=True)]
    assert written == [*done.values()]
