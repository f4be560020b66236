from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.messages import Auth, Deduplication, JwtAuth, MetaAuth, NoAuth, RateLimit
from libs.sealing import Sealer
from services.config.console.forms import Form
from services.config.console.integration_form import changes, new_integration, read, shown
from services.config.console.typed import held
from services.config.definitions import Draft, same
from services.config.drafts import changed_draft
from services.config.errors import InvalidError
from tests.integration.config.control_plane import MASTER_KEY

ID = "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"
META = MetaAuth(app_secrets=("sealed", "before"), verify_token="sealed", split_batches=True)

auths: st.SearchStrategy[Auth] = st.sampled_from([NoAuth(), JwtAuth(api_key_id=ID), META])
rules = st.builds(
    Deduplication,
    parameters=st.lists(
        st.sampled_from(["body.a", "body.a ", "body.a\nb", "body.\0", "headers.x", "body.ż"]), min_size=1, unique=True
    ).map(lambda found: tuple(found[:5])),
    on_redis_down=st.sampled_from(["reject", "accept"]),
)
limits = st.builds(RateLimit, per_second=st.floats(0.001, 1_000_000), burst=st.integers(1, 1_000_000))
drafts = st.builds(
    Draft,
    name=st.sampled_from(["Complaints", "ż"]),
    icon=st.none() | st.just("📮"),
    auth=auths,
    deduplication=st.none() | rules,
    rate_limit=st.none() | limits,
)


def sent_as_shown(draft: Draft) -> Form:
    fields = shown(draft)
    return Form(
        {
            "name": [fields.name],
            "icon": [fields.icon],
            "apiKeyId": [fields.api_key_id],
            **({"splitBatches": ["on"]} if fields.split_batches else {}),
            **({"keepPrevious": ["on"]} if fields.keep_previous else {}),
            "parameter": [held(name) for name in fields.parameters],
            "onRedisDown": [fields.on_redis_down],
            "perSecond": [fields.per_second],
            "burst": [fields.burst],
        }
    )


@given(drafts)
def test_a_form_that_is_sent_as_it_is_shown_changes_nothing(draft: Draft) -> None:
    form = sent_as_shown(draft)
    given_ = changes(read(form, shown(draft).kind), form)
    assert same(changed_draft(draft, given_, ID, Sealer(MASTER_KEY)), draft)


@pytest.mark.parametrize(
    ("kind", "fields", "faulty"),
    [
        ("jwt", {}, ["auth.apiKeyId"]),
        ("none", {"perSecond": "x", "burst": "1.5"}, ["rateLimit.perSecond", "rateLimit.burst"]),
        ("none", {"perSecond": "1"}, ["rateLimit.burst"]),
        ("none", {"burst": "9" * 5000, "perSecond": "1"}, ["rateLimit.burst"]),
        ("jwt", {"perSecond": "fast", "burst": "1"}, ["auth.apiKeyId", "rateLimit.perSecond"]),
        ("none", {"parameter": "body.a", "onRedisDown": "explode"}, ["deduplication.onRedisDown"]),
    ],
)
def test_what_is_wrong_is_said_of_its_field(kind: str, fields: dict[str, str], faulty: list[str]) -> None:
    form = Form({"name": ["n"], **{name: [value] for name, value in fields.items()}})
    with pytest.raises(InvalidError) as found:
        new_integration(read(form, kind), form)
    assert [fault.field for fault in found.value.faults] == faulty


def test_parameters_are_those_that_are_ticked_and_those_that_are_typed_each_once() -> None:
    form = Form({"parameter": ["body.a", "body.b"], "typed": ["body.b\n\n  headers.x\n"]})
    assert read(form, "none").parameters == ("body.a", "body.b", "headers.x")


def test_secrets_are_taken_from_the_form_and_are_nowhere_in_what_is_shown_again() -> None:
    typed: dict[str, list[str]] = {"name": ["n"], "appSecret": ["the secret"], "verifyToken": ["the token"]}
    form = Form(typed)
    fields = read(form, "meta")
    made: Any = new_integration(fields, form)
    assert (made.auth.app_secret, made.auth.verify_token) == ("the secret", "the token")
    assert "the " not in repr(fields)
