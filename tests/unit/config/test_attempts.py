"""The limits on guessing: per subject, per place, in bounded memory."""

from collections.abc import Callable

import pytest

from services.config.attempts import Attempts, place_of
from services.config.errors import ThrottledError, UnavailableError


class WrongError(Exception):
    """What an attempt raises that fails."""


def fail(attempts: Attempts, subject: str, address: str) -> None:
    with pytest.raises(WrongError), attempts.at(subject, address):
        raise WrongError


def is_throttled(attempts: Attempts, subject: str, address: str) -> bool:
    """Whether one more attempt, which fails, is not let through."""
    try:
        fail(attempts, subject, address)
    except ThrottledError:
        return True
    return False


@pytest.fixture
def attempts() -> Attempts:
    return Attempts(per_second=0.001, burst=3, counts_successes=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("", "unknown"),
    ],
)
def test_addresses_that_one_host_can_choose_from_are_one_place(one: str, other: str) -> None:
    assert place_of(one) == place_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ("192.0.2.7", "192.0.2.8"),
        ("::1", "127.0.0.1"),
    ],
)
def test_addresses_of_different_hosts_are_different_places(one: str, other: str) -> None:
    assert place_of(one) != place_of(other)


def test_a_place_has_fifty_failures_whatever_it_tries_and_from_whichever_of_its_addresses(attempts: Attempts) -> None:
    for number in range(50):
        fail(attempts, f"subject {number}", f"2001:db8::{number:x}")
    assert is_throttled(attempts, "another", "2001:db8::ffff")
    assert not is_throttled(attempts, "another", "2001:db8:0:1::1")


def test_a_subject_has_its_failures_wherever_they_come_from(attempts: Attempts) -> None:
    for number in range(3):
        fail(attempts, "victim", f"192.0.2.{number}")
    assert is_throttled(attempts, "victim", "192.0.2.99")
    assert not is_throttled(attempts, "another", "192.0.2.99")


def test_what_a_place_may_not_try_any_more_does_not_count_for_the_subject(attempts: Attempts) -> None:
    for number in range(50):
        fail(attempts, f"subject {number}", "192.0.2.1")
    for _ in range(10):
        assert is_throttled(attempts, "victim", "192.0.2.1")
    assert not is_throttled(attempts, "victim", "192.0.2.2")


def test_trying_a_subject_that_is_spent_does_not_count_for_the_place(attempts: Attempts) -> None:
    for _ in range(3):
        fail(attempts, "victim", "192.0.2.1")
    for _ in range(100):
        assert is_throttled(attempts, "victim", "192.0.2.1")
    assert not is_throttled(attempts, "another", "192.0.2.1")


@pytest.mark.parametrize(
    "invented",
    [
        lambda number: (f"subject {number}", f"2001:db8:{number // 40:x}::1"),
        lambda number: (f"subject {number}", "192.0.2.1"),
    ],
    ids=["from many places", "from one"],
)
def test_inventing_subjects_does_not_make_the_one_that_is_guessed_at_be_forgotten(
    attempts: Attempts, invented: Callable[[int], tuple[str, str]]
) -> None:
    for _ in range(3):
        fail(attempts, "victim", "192.0.2.1")
    for number in range(12_000):
        is_throttled(attempts, *invented(number))
    assert is_throttled(attempts, "victim", "2001:db9::1")


@pytest.mark.parametrize("counts_successes", [True, False])
def test_a_success_never_counts_for_the_place_and_for_the_subject_where_it_shall(*, counts_successes: bool) -> None:
    attempts = Attempts(per_second=0.001, burst=3, counts_successes=counts_successes)
    for number in range(60):
        with attempts.at(f"subject {number % 30}", "192.0.2.1"):
            pass
    for _ in range(3):
        assert attempts_once(attempts)
    assert attempts_once(attempts) is not counts_successes


def attempts_once(attempts: Attempts) -> bool:
    """Whether an attempt that succeeds is let through."""
    try:
        with attempts.at("one", "192.0.2.1"):
            return True
    except ThrottledError:
        return False


def test_who_guesses_at_one_place_locks_nobody_out_at_another() -> None:
    attempts = Attempts(per_second=0.001, burst=3, counts_successes=False, places=2)
    for _ in range(3):
        fail(attempts, "ada", "192.0.2.1")
    assert is_throttled(attempts, "ada", "192.0.2.1")
    for _ in range(3):
        assert not is_throttled(attempts, "ada", "192.0.2.2")
    assert is_throttled(attempts, "ada", "192.0.2.3")  # all places together have no more
    assert not is_throttled(attempts, "bob", "192.0.2.3")


def test_what_could_not_be_tried_does_not_count(attempts: Attempts) -> None:
    for _ in range(100):
        with pytest.raises(UnavailableError), attempts.at("ada", "192.0.2.1"):
            raise UnavailableError
    assert not is_throttled(attempts, "ada", "192.0.2.1")
