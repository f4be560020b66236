from collections import Counter

from tests.chaos.injections import Fault, plan, storage_plan

ROUND = 6 * 7 * 3 + 3


def test_a_round_has_every_combination_once_and_redis_without_its_data_under_each_load() -> None:
    combinations = Counter((one.target, one.fault, one.mode) for one in plan(1, ROUND))
    assert len(combinations) == ROUND
    assert set(combinations.values()) == {1}
    assert [target for target, fault, _ in combinations if fault is Fault.LOSS] == ["redis"] * 3


def test_the_seed_draws_the_order_and_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    assert plan(7, 300) == plan(7, 300) != plan(8, 300)
    assert plan(7, 10) == plan(7, 300)[:10]


def test_the_injections_are_numbered() -> None:
    assert [one.number for one in plan(1, 300)] == list(range(300))


def test_each_fault_of_memory_and_disks_comes_once_under_each_load() -> None:
    combinations = Counter((one.target, one.fault) for one in storage_plan(1))
    assert len(combinations) == 3 + 2 * 2
    assert set(combinations.values()) == {3}
