from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs import messages
from services.config.definitions import (
    BusinessEvent,
    Draft,
    Integration,
    messages_of,
    publish,
    revise,
    save,
    unpublish,
)
from services.config.identity import Workspace

NOW = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
WORKSPACE = Workspace(id="w1", name="Acme", time_zone="Europe/Warsaw")


def draft(name: str = "first") -> Draft:
    return Draft(name=name, auth=messages.NoAuth())


def integration() -> Integration:
    return Integration(id="i1", draft=draft(), created_at=NOW, updated_at=NOW)


def business_event() -> BusinessEvent:
    return BusinessEvent(id="b1", integration_id="i1", name="High", where={"all": []}, created_at=NOW, updated_at=NOW)


def test_saving_changes_the_draft_and_nothing_that_is_live() -> None:
    live = publish(integration())
    saved = save(live, draft("second"))
    assert saved.has_unpublished_changes
    assert (saved.state, saved.version) == ("published", 1)
    assert messages_of(WORKSPACE, saved) == messages_of(WORKSPACE, live)


def test_publishing_makes_the_draft_live_under_the_next_version() -> None:
    once = publish(integration())
    twice = publish(save(once, draft("second")))
    assert messages_of(WORKSPACE, twice) == [
        messages.Integration(id="i1", workspace="w1", name="second", version=2, auth=messages.NoAuth())
    ]
    assert not twice.has_unpublished_changes


def test_publishing_saving_and_unpublishing_without_a_difference_change_nothing() -> None:
    new, live = integration(), publish(integration())
    assert publish(live) is live
    assert save(live, draft()) is live
    assert unpublish(new) is new


def test_what_is_unpublished_is_unknown_to_the_other_services() -> None:
    gone = unpublish(publish(integration()))
    [message] = messages_of(WORKSPACE, gone)
    assert isinstance(message, messages.DraftIntegration)
    assert (gone.state, gone.draft) == ("draft", draft())


steps = st.lists(st.sampled_from(["publish", "unpublish", "a", "b"]), max_size=20)


@given(steps)
def test_two_different_things_are_never_live_under_one_version(done: list[str]) -> None:
    current, seen = integration(), dict[int, Draft]()
    for step in done:
        before = current
        match step:
            case "publish":
                current = publish(current)
            case "unpublish":
                current = unpublish(current)
            case name:
                current = save(current, draft(name))
        assert current.version >= before.version
        assert (current.state == "published") == isinstance(messages_of(WORKSPACE, current)[0], messages.Integration)
        if current.published is not None:
            assert seen.setdefault(current.version, current.published) == current.published


def test_a_business_event_gets_a_new_version_with_every_change_that_makes_a_difference() -> None:
    event = business_event()
    paused = revise(event, LATER, state="paused")
    assert (paused.state, paused.version, paused.updated_at) == ("paused", 2, LATER)
    assert revise(paused, LATER, state="paused", name="High") is paused
    assert revise(paused, LATER, where={"any": []}).version == 3


def test_a_filter_that_differs_only_in_1_and_true_is_another_one() -> None:
    event = revise(business_event(), LATER, where={"value": 1})
    changed = revise(event, LATER, where={"value": True})
    assert (changed.version, changed.where["value"] is True) == (event.version + 1, True)
    assert revise(changed, LATER, where={"value": True}) is changed


def test_the_message_of_a_business_event_carries_the_time_zone_of_its_workspace() -> None:
    [message] = messages_of(WORKSPACE, business_event())
    assert message == messages.BusinessEvent(
        id="b1",
        workspace="w1",
        name="High",
        version=1,
        integration_id="i1",
        state="active",
        where={"all": []},
        time_zone="Europe/Warsaw",
    )
