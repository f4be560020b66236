from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from libs.token_bucket import TokenBucket, TokenBuckets

TIMES = st.lists(st.integers(0, 20_000), max_size=60).map(sorted)


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 10), TIMES)
def test_a_bucket_decides_as_one_that_is_refilled(per_second: int, burst: int, times_ms: list[int]) -> None:
    bucket, tokens, before_ms = TokenBucket(per_second, burst), burst * 1000, 0
    for at_ms in times_ms:
        tokens = min(burst * 1000, tokens + (at_ms - before_ms) * per_second)
        before_ms = at_ms
        # Eighths of seconds are exact; the rest may differ from whole numbers by a rounding.
        wait_s = bucket.take(at_ms / 1000)
        if abs(tokens - 1000) > 1:
            assert (wait_s == 0) is (tokens >= 1000)
        tokens -= 1000 if wait_s == 0 else 0


@given(st.floats(0.01, 1000), st.integers(1, 100), st.floats(0, 1e6))
def test_after_the_time_it_names_there_is_a_token(per_second: float, burst: int, now_s: float) -> None:
    bucket = TokenBucket(per_second, burst)
    waits = deque(bucket.take(now_s) for _ in range(burst + 1))

    assert waits[-1] > 0
    assert bucket.take(now_s + waits[-1] + 1e-6) == 0


def test_a_token_that_is_given_back_can_be_taken_again() -> None:
    bucket = TokenBucket(1, 1)

    assert bucket.take(10) == 0
    bucket.give_back()
    assert bucket.take(10) == 0
    assert bucket.take(10) == 1


def test_every_key_has_a_bucket_of_its_own() -> None:
    buckets = TokenBuckets(1, 1)

    assert [buckets.take(key, 0) for key in ("a", "b", "a")] == [0, 0, 1]
    buckets.give_back("a")
    assert buckets.take("a", 0) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000)), max_size=60), st.integers(1, 5))
def test_however_many_keys_share_a_bucket_none_of_them_gets_more_than_its_own(
    takes: list[tuple[str, int]], width: int
) -> None:
    buckets, alone = TokenBuckets(1, 2, width=width), {key: TokenBucket(1, 2) for key in "abcdefgh"}
    for key, at_ms in sorted(takes, key=lambda take: take[1]):
        if buckets.take(key, at_ms / 1000) == 0:
            assert alone[key].take(at_ms / 1000) == 0


def test_whoever_uses_any_number_of_keys_neither_fills_the_memory_nor_is_forgotten() -> None:
    buckets = TokenBuckets(0.001, 3, width=64)
    for _ in range(3):
        assert buckets.take("attacker", 0) == 0
    for number in range(2000):
        buckets.take(f"invented {number}", 1)

    assert len(buckets) == 4 * 64
    assert buckets.take("attacker", 2) > 0


def test_a_thousand_keys_that_are_spent_leave_all_others_alone() -> None:
    buckets = TokenBuckets(0.001, 3)
    for number in range(1000):
        for _ in range(3):
            buckets.take(f"attacker {number}", 0)

    refused = sum(buckets.take(f"somebody {number}", 1) > 0 for number in range(200))
    assert refused < 10
