"""The deduplication protocol, checked over every interleaving of the model, and why the alternatives were not taken."""

import pytest

from tests.unit.model.deduplication import (
    PROTOCOL,
    Budget,
    Key,
    Normalizer,
    Request,
    World,
    explore,
    explore_from,
    restore,
)

LOST = {"a durable request became no event", "a promised request became no event"}


@pytest.mark.parametrize(
    "budget",
    [
        Budget(ingress_crashes=2, normalizer_crashes=0, zombies=1),
        Budget(ingress_crashes=1, normalizer_crashes=1, zombies=0),
        Budget(ingress_crashes=0, normalizer_crashes=1, zombies=1),
    ],
    ids=str,
)
def test_nothing_is_lost_doubled_or_promised_in_vain(budget: Budget) -> None:
    assert explore(PROTOCOL, budget) == {}


def test_three_senders_at_once_get_one_200_and_one_event() -> None:
    assert explore(PROTOCOL, Budget(0, 0, 0), senders=3, attempts=1) == {}


@pytest.mark.parametrize(
    "budget",
    [Budget(0, 1, 0, key_losses=1), Budget(1, 0, 0, key_losses=1), Budget(0, 0, 0, key_losses=1, rollbacks=1)],
    ids=str,
)
def test_a_store_that_loses_its_keys_may_cost_an_extra_200_or_event_and_never_a_loss(budget: Budget) -> None:
    assert explore(PROTOCOL, budget).keys() == {"two 200", "two events"}


@pytest.mark.parametrize("budget", [Budget(1, 0, 1, expiries=1), Budget(0, 1, 1, expiries=1)], ids=str)
def test_after_the_window_the_same_request_is_one_new_event(budget: Budget) -> None:
    assert explore(PROTOCOL, budget) == {}


@pytest.mark.parametrize("budget", [Budget(1, 1, 1), Budget(1, 0, 0, expiries=1)], ids=str)
def test_a_key_that_was_restored_from_its_event_costs_nothing(budget: Budget) -> None:
    assert (
        explore_from(
            World(
                requests=(Request("start", 2),) * 2,
                budget=budget,
                normalizers=(Normalizer(epoch=1, position=1),),
                log=1,
                committed=1,
                events=(0,),
                granted=1,
                promised=True,
                key=restore(None),
            ),
            PROTOCOL,
        )
        == {}
    )


@pytest.mark.parametrize("budget", [Budget(0, 1, 0, 1, 0, 1), Budget(1, 0, 0, 1, 0, 1)], ids=str)
def test_restoring_the_key_at_any_time_loses_nothing(budget: Budget) -> None:
    assert explore(PROTOCOL, budget).keys() <= {"two 200", "two events"}


def test_restoring_the_key_from_what_is_not_committed_loses_events() -> None:
    hasty = PROTOCOL._replace(restore_uncommitted=True)
    assert explore(hasty, Budget(0, 1, 0, key_losses=1, rebuilds=1)).keys() >= LOST


def test_claiming_before_publishing_loses_events() -> None:
    claim_first = PROTOCOL._replace(claim_first=True, resolve=lambda key, _: (key, True))
    found = explore(claim_first, Budget(1, 0, 0))
    assert "2xx without a durable record" in found
    assert "a promised request became no event" in found


def test_a_normalizer_that_sets_a_key_once_loses_the_record_it_died_with() -> None:
    def set_once(key: Key | None, offset: int) -> tuple[Key | None, bool]:
        return (Key(granted=False, owner=offset), True) if key is None else (key, False)

    found = explore(PROTOCOL._replace(resolve=set_once), Budget(0, 1, 0))
    assert found.keys() >= LOST


def test_an_owner_that_is_only_compared_for_equality_loses_events_with_a_store_that_falls_back() -> None:
    def equal_owner(key: Key | None, offset: int) -> tuple[Key | None, bool]:
        return (Key(granted=False, owner=offset), True) if key is None else (key, key.owner == offset)

    found = explore(PROTOCOL._replace(resolve=equal_owner), Budget(0, 0, 0, key_losses=1, rollbacks=1))
    assert found.keys() >= LOST


def test_without_fencing_a_zombie_emits_twice() -> None:
    assert "two events" in explore(PROTOCOL._replace(fenced=False), Budget(0, 0, 1))
