from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from libs import messages
from services.config.advice import advice_on_draft, advice_on_keys, advice_on_sample, key_ids
from services.config.definitions import ApiKey, Draft, Integration, publish, save

NOW = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CHANGE = "body.entry.0.changes.0.value.id"

SAMPLE = messages.Sample(
    integration_id="i1",
    generation=1,
    received_at="2026-01-31T09:15:30Z",
    headers={"x-form-id": "7"},
    body=msgspec.Raw(b'{"customer": {"id": 1}, "lines": [1], "note": null, "none": {}}'),
)


def api_key(
    name: str = "k1",
    *,
    expires_at: datetime | None = None,
    revoked_at: datetime | None = None,
    permissions: tuple[str, ...] = ("INCOMING_WEBHOOK_EXECUTE",),
) -> ApiKey:
    return ApiKey(
        id=name,
        name=name,
        prefix="inlet_",
        secret_sha256="",
        permissions=permissions,
        expires_at=expires_at,
        revoked_at=revoked_at,
        created_at=NOW,
        updated_at=NOW,
    )


def draft(auth: messages.Auth, *parameters: str, redis_down: Literal["reject", "accept"] = "accept") -> Draft:
    rules = messages.Deduplication(parameters=parameters, on_redis_down=redis_down) if parameters else None
    return Draft(name="x", auth=auth, deduplication=rules)


def integration(written: Draft) -> Integration:
    return Integration(id="i1", draft=written, created_at=NOW, updated_at=NOW)


def with_key(name: str = "k1") -> Integration:
    return integration(draft(messages.JwtAuth(api_key_id=name)))


def warnings(one: Integration, *keys: ApiKey) -> list[tuple[str, str]]:
    found = [*advice_on_draft(one), *advice_on_keys(one, {key.id: key for key in keys}, NOW)]
    return [(fault.field, fault.message.split(":")[0]) for fault in found]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (api_key(revoked_at=NOW - SECOND), "is revoked"),
        (api_key(expires_at=NOW), "has expired"),
        (api_key(permissions=()), "lacks the permission INCOMING_WEBHOOK_EXECUTE"),
        (api_key(permissions=(), revoked_at=NOW), "is revoked"),
        (api_key("another"), "is revoked"),
    ],
)
def test_an_api_key_that_lets_nobody_in_is_warned_of(key: ApiKey, reason: str) -> None:
    assert warnings(with_key(), key) == [("auth.apiKeyId", reason)]


def test_an_api_key_that_lets_senders_in_is_not_warned_of() -> None:
    assert warnings(with_key(), api_key(expires_at=NOW + SECOND)) == []


def test_the_key_of_what_is_live_is_warned_of_where_the_draft_has_another_one() -> None:
    live = publish(with_key("old"))
    assert warnings(live, api_key("old", revoked_at=NOW)) == [("auth.apiKeyId", "is revoked")]
    changed = save(live, draft(messages.JwtAuth(api_key_id="new")))
    assert warnings(changed, api_key("old", revoked_at=NOW), api_key("new")) == [
        ("published.auth.apiKeyId", "is revoked")
    ]
    assert warnings(save(live, draft(messages.NoAuth())), api_key("old", expires_at=NOW)) == [
        ("published.auth.apiKeyId", "has expired")
    ]
    assert key_ids([changed, with_key("k1"), integration(draft(messages.NoAuth()))]) == {"old", "new", "k1"}


def splitting(*parameters: str, split: bool = True) -> list[tuple[str, str]]:
    auth = messages.MetaAuth(app_secrets=("s",), verify_token="v", split_batches=split)
    return warnings(integration(draft(auth, *parameters)))


@pytest.mark.parametrize(
    "parameter",
    ["body.entry.1.id", "body.entry.1", "body.entry.1.changes.0.value.id", "body.entry.0.changes.1.value.id"],
)
def test_a_parameter_that_is_in_no_part_of_a_split_request_is_warned_of(parameter: str) -> None:
    [(field, reason)] = splitting(CHANGE, parameter)
    assert (field, reason) == ("deduplication.parameters[1]", "is in no part of a request")
    assert splitting(CHANGE, parameter, split=False) == []


@pytest.mark.parametrize(
    "parameter",
    [
        "body.entry.0.id",
        "body.entry.0.changes",
        "body.entry.0.changes.0.field",
        "body.entry.0.messaging.1.message.mid",
        "body.entry.id",
        "body.entries.1",
        "body.object",
    ],
)
def test_a_parameter_that_can_be_in_a_part_is_not_warned_of(parameter: str) -> None:
    assert splitting(CHANGE, parameter) == []


def test_parameters_that_tell_no_parts_apart_are_warned_of() -> None:
    assert splitting("body.object", "body.time") == [
        ("deduplication.parameters", "are the same in all parts of a request")
    ]
    assert [field for field, _ in splitting("headers.x-id", "body.entry.1.id")] == [
        "deduplication.parameters[0]",
        "deduplication.parameters[1]",
        "deduplication.parameters",
    ]
    assert splitting("body.object", split=False) == []
    assert splitting() == []


def test_parameters_that_are_in_no_part_leave_no_two_parts_equal() -> None:
    assert [field for field, _ in splitting("body.entry.1.id")] == ["deduplication.parameters[0]"]


def test_a_policy_for_redis_that_has_no_effect_on_what_is_split_is_warned_of() -> None:
    whole = messages.MetaAuth(app_secrets=("s",), verify_token="v")
    split = replace(whole, split_batches=True)
    assert warnings(integration(draft(split, CHANGE, redis_down="reject"))) == [
        ("deduplication.onRedisDown", "has no effect on requests that are split")
    ]
    assert warnings(integration(draft(split, CHANGE, redis_down="accept"))) == []
    assert warnings(integration(draft(split))) == []
    assert warnings(integration(draft(whole, CHANGE, redis_down="reject"))) == []


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("body.customer", "is an object or array in the latest sample"),
        ("body.lines", "is an object or array in the latest sample"),
        ("body.custmer.id", "is not in the latest sample"),
        ("body.customer.id.x", "is not in the latest sample"),
        ("body.line", "is not in the latest sample"),
        ("headers.x-form", "is not in the latest sample"),
    ],
)
def test_a_parameter_that_is_no_value_in_the_latest_sample_is_warned_of(parameter: str, reason: str) -> None:
    [warning] = advice_on_sample(integration(draft(messages.NoAuth(), "body.customer.id", parameter)), SAMPLE)
    assert warning.field == "deduplication.parameters[1]"
    assert warning.message.startswith(reason)


@pytest.mark.parametrize(
    "parameter", ["body.customer.id", "body.lines.0", "body.note", "body.none", "headers.x-form-id"]
)
def test_a_parameter_that_is_a_value_in_the_latest_sample_is_not_warned_of(parameter: str) -> None:
    assert advice_on_sample(integration(draft(messages.NoAuth(), parameter)), SAMPLE) == []
    assert advice_on_sample(integration(draft(messages.NoAuth())), SAMPLE) == []


def test_a_parameter_that_is_a_value_in_one_part_of_the_latest_sample_is_not_warned_of() -> None:
    raw = msgspec.Raw(b'{"entry": [{"changes": [{"value": {}}, {"value": {"id": 1}}]}]}')
    sample, auth = replace(SAMPLE, body=raw), messages.MetaAuth(app_secrets=("s",), verify_token="v")
    assert advice_on_sample(integration(draft(replace(auth, split_batches=True), CHANGE)), sample) == []
    [warning] = advice_on_sample(integration(draft(auth, CHANGE)), sample)
    assert warning.field == "deduplication.parameters[0]"
