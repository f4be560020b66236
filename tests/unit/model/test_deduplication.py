"""The deduplication protocol, checked over every interleaving of the model, and why the alternatives were not taken."""

import pytest

from tests.unit.model.deduplication import (
    PROTOCOL,
    Budget,
    Key,
    Normalizer,
    Record,
    Request,
    World,
    explore,
    explore_from,
    resolve,
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


REPLACED = Budget(ingress_crashes=0, normalizer_crashes=1, zombies=1, unreadable=1)


@pytest.mark.parametrize(
    ("budget", "attempts"),
    [
        (REPLACED, 1),
        (Budget(ingress_crashes=1, normalizer_crashes=0, zombies=0, unreadable=2), 1),
        (Budget(ingress_crashes=0, normalizer_crashes=1, zombies=0, unreadable=1), 2),
    ],
    ids=str,
)
def test_a_hash_whose_records_were_dead_letters_has_one_event_once_they_are_replayed(
    budget: Budget, attempts: int
) -> None:
    assert explore(PROTOCOL, budget, attempts=attempts) == {}


def test_a_replay_that_is_resolved_where_it_is_now_is_taken_for_a_duplicate_of_itself() -> None:
    where_it_is = PROTOCOL._replace(replay=lambda key, _, offset: resolve(key, offset))
    assert explore(where_it_is, Budget(0, 0, 0, unreadable=1)).keys() == LOST


def test_a_replay_that_is_resolved_like_its_original_comes_beside_the_request_that_was_repeated() -> None:
    like_its_original = PROTOCOL._replace(replay=lambda key, origin, _: resolve(key, origin))
    assert explore(like_its_original, Budget(0, 0, 0, unreadable=1)).keys() == {"two events"}


def test_a_replay_that_takes_the_hash_to_where_it_is_now_can_lose_it_to_a_zombie() -> None:
    def take_along(key: Key | None, origin: int, offset: int) -> tuple[Key | None, bool]:
        if key is not None and key.owner == origin:
            return key._replace(owner=offset), True
        return resolve(key, offset)

    assert explore(PROTOCOL._replace(replay=take_along), REPLACED, attempts=1).keys() == LOST


def test_a_key_that_is_lost_while_an_equal_request_is_being_claimed_can_cost_the_replay() -> None:
    """The limit of it: the late claim of a record that was dropped for the dead letter looks like that of an event."""
    lost = explore(PROTOCOL, Budget(0, 0, 0, key_losses=1, unreadable=1), attempts=1)
    assert lost.keys() == LOST | {"two 200", "two events"}
    steps = lost["a durable request became no event"]
    assert steps.index("the key is lost") < steps.index("sender 1: claim -> 200") < steps.index("normalizer 1: drop 2")


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
                log=(Record(),),
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


@pytest.mark.parametrize(
    "budget", [Budget(0, 1, 0, key_losses=1, rebuilds=1), Budget(1, 0, 0, key_losses=1, rebuilds=1)], ids=str
)
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
