import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from libs import messages
from libs.parameters import flatten, split
from services.config.definitions import Draft
from services.config.drafts import (
    Auth,
    Deduplication,
    IntegrationChanges,
    NewIntegration,
    changed_draft,
    deduplication_parameter,
    new_draft,
)
from services.config.errors import InvalidError

DRAFT = Draft(
    name="Complaints",
    icon="bell",
    auth=messages.NoAuth(),
    deduplication=messages.Deduplication(parameters=("body.id",), on_redis_down="accept"),
)


def given_rules(*parameters: str) -> NewIntegration:
    return NewIntegration(name="x", auth=Auth(kind="none"), deduplication=Deduplication(parameters=parameters))


def fields_at_fault(integration: NewIntegration) -> list[str]:
    with pytest.raises(InvalidError) as refusal:
        new_draft(integration)
    return [fault.field for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("written", "parameter"),
    [
        ("body.complaint.id", "body.complaint.id"),
        ("body.items.0.id", "body.items.0.id"),
        (r"body.a\.b", r"body.a\.b"),
        ("body.", "body."),
        ("headers.X-Form-Id", "headers.x-form-id"),
        ("headers.x-deduplication-hash", "headers.x-deduplication-hash"),
        ("headers.idempotency-key", "headers.idempotency-key"),
        (r"headers.X\.Y", r"headers.x\.y"),
    ],
)
def test_a_parameter_is_taken_with_its_header_name_in_lower_case(written: str, parameter: str) -> None:
    assert deduplication_parameter(written) == parameter


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "must begin with"),
        ("body", "must begin with"),
        ("headers", "must begin with"),
        ("id", "must begin with"),
        ("Body.id", "must begin with"),
        ("bodyid.x", "must begin with"),
        ("body.a\\", "must be followed by"),
        ("headers.", "does not name a header"),
        ("headers.a.b", "does not name a header"),
        ("headers.a b", "does not name a header"),
        ("headers.Authorization", "credential"),
        ("headers.cookie", "credential"),
        ("headers.X-Hub-Signature-256", "credential"),
        ("body.items.*.id", "must name one value"),
        ("body." + "x" * 1000, "longer than 1000"),
    ],
)
def test_what_is_no_parameter_is_refused_with_its_reason(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        deduplication_parameter(written)


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
bodies = st.dictionaries(
    keys,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=10,
    ),
    min_size=1,
    max_size=3,
)


@given(bodies)
def test_every_leaf_of_every_body_can_be_chosen(body: dict[str, object]) -> None:
    for path in flatten({}, body):
        if path != "headers" and "*" not in split(path):
            assert deduplication_parameter(path) == path


def test_every_fault_is_reported_at_its_place() -> None:
    integration = NewIntegration(
        name=" ",
        icon="a\nb",
        auth=Auth(kind="jwt"),
        deduplication=Deduplication(
            parameters=("body.a", "headers.authorization", "headers.X-A", "headers.x-a", "nowhere")
        ),
    )
    assert fields_at_fault(integration) == [
        "name",
        "icon",
        "auth.kind",
        "deduplication.parameters[1]",
        "deduplication.parameters[3]",
        "deduplication.parameters[4]",
    ]


@pytest.mark.parametrize("count", [0, 6])
def test_only_one_to_five_parameters_are_taken(count: int) -> None:
    rules = given_rules(*(f"body.{index}" for index in range(count)))
    assert fields_at_fault(rules) == ["deduplication.parameters"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x00b", "a\tb", "a\x7fb"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    assert fields_at_fault(NewIntegration(name=name, auth=Auth(kind="none"))) == ["name"]


@pytest.mark.parametrize("name", ["x" * 200, "żółć", "👩\u200d🚀", "a  b"])
def test_any_other_name_is_kept_as_it_is(name: str) -> None:
    assert new_draft(NewIntegration(name=f" {name} ", auth=Auth(kind="none"))).name == name


def test_a_change_touches_only_the_fields_that_are_given() -> None:
    assert changed_draft(DRAFT, IntegrationChanges()) == DRAFT
    renamed = changed_draft(DRAFT, IntegrationChanges(name="Claims"))
    assert (renamed.name, renamed.icon, renamed.deduplication) == ("Claims", "bell", DRAFT.deduplication)


def test_null_takes_an_optional_field_away() -> None:
    bare = changed_draft(DRAFT, IntegrationChanges(icon=None, deduplication=None, auth=UNSET))
    assert (bare.name, bare.icon, bare.deduplication) == ("Complaints", None, None)


def test_a_change_is_checked_like_a_new_integration() -> None:
    with pytest.raises(InvalidError) as refusal:
        changed_draft(DRAFT, IntegrationChanges(name="", auth=Auth(kind="meta")))
    assert [fault.field for fault in refusal.value.faults] == ["name", "auth.kind"]
