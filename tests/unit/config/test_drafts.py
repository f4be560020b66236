import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from libs import messages
from libs.parameters import flatten, split
from libs.sealing import Sealer
from services.config.definitions import Draft
from services.config.drafts import (
    Deduplication,
    IntegrationChanges,
    MetaAuth,
    NewIntegration,
    NoAuth,
    changed_draft,
    new_draft,
)
from services.config.errors import InvalidError
from services.config.rules import deduplication_parameter

SEALER = Sealer(base64.b64encode(bytes(32)).decode())
DRAFT = Draft(
    name="Complaints",
    icon="bell",
    auth=messages.NoAuth(),
    deduplication=messages.Deduplication(parameters=("body.id",), on_redis_down="accept"),
)


def given_rules(*parameters: str) -> NewIntegration:
    return NewIntegration(name="x", auth=NoAuth(), deduplication=Deduplication(parameters=parameters))


def fields_at_fault(integration: NewIntegration) -> list[str]:
    with pytest.raises(InvalidError) as refusal:
        new_draft(integration, "i1", SEALER)
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
        auth=MetaAuth(app_secret="s"),
        deduplication=Deduplication(
            parameters=("body.a", "headers.authorization", "headers.X-A", "headers.x-a", "nowhere")
        ),
    )
    assert fields_at_fault(integration) == [
        "name",
        "icon",
        "auth.verifyToken",
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
    assert fields_at_fault(NewIntegration(name=name, auth=NoAuth())) == ["name"]


@pytest.mark.parametrize("name", ["x" * 200, "żółć", "👩\u200d🚀", "a  b"])
def test_any_other_name_is_kept_as_it_is(name: str) -> None:
    assert new_draft(NewIntegration(name=f" {name} ", auth=NoAuth()), "i1", SEALER).name == name


def test_a_change_touches_only_the_fields_that_are_given() -> None:
    assert changed_draft(DRAFT, IntegrationChanges(), "i1", SEALER) == DRAFT
    renamed = changed_draft(DRAFT, IntegrationChanges(name="Claims"), "i1", SEALER)
    assert (renamed.name, renamed.icon, renamed.deduplication) == ("Claims", "bell", DRAFT.deduplication)


def test_null_takes_an_optional_field_away() -> None:
    bare = changed_draft(DRAFT, IntegrationChanges(icon=None, deduplication=None, auth=UNSET), "i1", SEALER)
    assert (bare.name, bare.icon, bare.deduplication) == ("Complaints", None, None)


def test_a_change_is_checked_like_a_new_integration() -> None:
    with pytest.raises(InvalidError) as refusal:
        changed_draft(DRAFT, IntegrationChanges(name="", auth=MetaAuth()), "i1", SEALER)
    assert [fault.field for fault in refusal.value.faults] == ["name", "auth.appSecret", "auth.verifyToken"]


def opened(auth: messages.Auth) -> tuple[list[bytes], bytes]:
    assert isinstance(auth, messages.MetaAuth)
    secrets = [SEALER.open(secret, messages.app_secret_place("i1")) for secret in auth.app_secrets]
    return secrets, SEALER.open(auth.verify_token, messages.verify_token_place("i1"))


def change(draft: Draft, auth: MetaAuth) -> Draft:
    return changed_draft(draft, IntegrationChanges(auth=auth), "i1", SEALER)


def test_the_secrets_of_meta_are_sealed_for_their_integration() -> None:
    draft = new_draft(NewIntegration(name="x", auth=MetaAuth(app_secret="one", verify_token="v")), "i1", SEALER)
    assert opened(draft.auth) == ([b"one"], b"v")


def test_during_a_rotation_the_previous_app_secret_is_accepted_too_and_afterwards_no_more() -> None:
    draft = new_draft(NewIntegration(name="x", auth=MetaAuth(app_secret="one", verify_token="v")), "i1", SEALER)
    rotating = change(draft, MetaAuth(app_secret="two", keep_previous_app_secret=True))
    assert opened(rotating.auth) == ([b"two", b"one"], b"v")
    still = change(rotating, MetaAuth(keep_previous_app_secret=True))
    assert opened(still.auth) == ([b"two", b"one"], b"v")
    other = change(still, MetaAuth(verify_token="w"))
    assert opened(other.auth) == ([b"two", b"one"], b"w")
    again = change(still, MetaAuth(app_secret="two", keep_previous_app_secret=True))
    assert opened(again.auth) == ([b"two", b"one"], b"v")
    done = change(still, MetaAuth(keep_previous_app_secret=False))
    assert opened(done.auth) == ([b"two"], b"v")


def test_a_new_app_secret_replaces_the_old_one_at_once_unless_told_otherwise() -> None:
    draft = new_draft(NewIntegration(name="x", auth=MetaAuth(app_secret="one", verify_token="v")), "i1", SEALER)
    assert opened(change(draft, MetaAuth(app_secret="two")).auth) == ([b"two"], b"v")


def published(app_secret: str) -> Draft:
    given_ = NewIntegration(name="x", auth=MetaAuth(app_secret=app_secret, verify_token="v"))
    return new_draft(given_, "i1", SEALER)


def rotate(draft: Draft, live: Draft, app_secret: str) -> Draft:
    auth = MetaAuth(app_secret=app_secret, keep_previous_app_secret=True)
    return changed_draft(draft, IntegrationChanges(auth=auth), "i1", SEALER, live)


def test_correcting_a_mistyped_new_app_secret_keeps_the_one_that_is_in_force() -> None:
    live = published("old")
    mistyped = rotate(live, live, "tpyo")
    assert opened(rotate(mistyped, live, "new").auth) == ([b"new", b"old"], b"v")


def test_correcting_it_after_it_was_published_keeps_all_that_is_in_force() -> None:
    live = published("old")
    mistyped = rotate(live, live, "tpyo")
    assert opened(rotate(mistyped, mistyped, "new").auth) == ([b"new", b"tpyo", b"old"], b"v")


def test_going_back_to_the_app_secret_that_is_in_force_is_no_change() -> None:
    live = published("old")
    assert rotate(rotate(live, live, "new"), live, "old") == live


def test_keeping_the_previous_app_secret_can_be_asked_for_after_the_new_one_was_given() -> None:
    live = published("old")
    changed = change(live, MetaAuth(app_secret="new"))
    asked = IntegrationChanges(auth=MetaAuth(keep_previous_app_secret=True))
    assert opened(changed_draft(changed, asked, "i1", SEALER, live).auth) == ([b"new", b"old"], b"v")


def test_secrets_that_are_sent_again_are_no_change() -> None:
    live = published("old")
    assert change(live, MetaAuth(app_secret="old", verify_token="v")) == live
