"""Routes, compiled from definitions."""

from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest

from libs.messages import (
    ApiKey,
    Auth,
    BusinessEvent,
    Capture,
    Deduplication,
    DraftIntegration,
    Integration,
    MetaAuth,
    NoAuth,
    RateLimit,
    Undecodable,
    app_secret_place,
    decode_definition,
    decode_metadata,
    encode_metadata,
    verify_token_place,
)
from services.ingress import answers
from services.ingress.integrations import Route
from services.ingress.snapshot import EMPTY, Compiler, Snapshot
from services.ingress.tally import Tallies
from tests.unit.ingress.compiling import COMPILER, published
from tests.unit.ingress.credentials import SEALER

ID = "01234567-89ab-cdef-0123-456789abcdef"
KEY = f"integration/{ID}"


def an_integration(
    *, version: int = 1, auth: Auth | None = None, deduplication: Deduplication | None = None, limit: float = 0
) -> Integration:
    return Integration(
        id=ID,
        workspace="w",
        name="Ümlaut",
        version=version,
        auth=auth or NoAuth(),
        deduplication=deduplication,
        rate_limit=RateLimit(per_second=limit, burst=4) if limit else None,
    )


async def test_nothing_can_be_found_before_the_definitions_are_loaded() -> None:
    snapshot = Snapshot(COMPILER)
    assert snapshot.find(ID) is answers.UNAVAILABLE
    assert snapshot.find(None) is answers.NOT_FOUND
    await snapshot.apply({})
    assert snapshot.find(ID) is answers.NOT_FOUND


async def test_a_published_integration_is_found_until_its_tombstone() -> None:
    snapshot = Snapshot(COMPILER)
    await snapshot.apply({KEY: an_integration()})
    assert isinstance(snapshot.find(ID), Route)
    await snapshot.apply({KEY: None})
    assert snapshot.find(ID) is answers.NOT_FOUND
    await snapshot.apply({KEY: None})
    assert snapshot.find(ID) is answers.NOT_FOUND


def test_a_route_has_the_source_of_its_version_ready_in_ascii() -> None:
    route = published({KEY: an_integration(version=7)})[ID]
    assert isinstance(route, Route)
    assert route.source.isascii()
    metadata = decode_metadata(
        encode_metadata(
            event_id="e", received_at="r", source=route.source, headers={}, deduplicated=False, definitions_offset=0
        )
    )
    assert metadata.source.workspace == "w"
    assert metadata.source.integration.version == 7
    assert metadata.source.integration.name == "Ümlaut"


def test_a_definition_that_cannot_be_read_is_refused_and_not_unknown() -> None:
    assert published({KEY: Undecodable(reason="a later version")})[ID] is answers.UNAVAILABLE


@pytest.mark.parametrize("auth", ['{"kind":"retina"}', '{"kind":null}', "null", '"none"'])
def test_an_unknown_kind_of_authentication_is_refused_and_never_open(auth: str) -> None:
    definition = f'{{"kind":"integration","id":"{ID}","workspace":"w","name":"n","version":1,"auth":{auth}}}'
    assert published({KEY: decode_definition(definition.encode())})[ID] is answers.UNAVAILABLE


def test_a_rule_that_is_no_path_is_refused() -> None:
    broken = an_integration(deduplication=Deduplication(parameters=("body.\\x",)))
    assert published({KEY: broken})[ID] is answers.UNAVAILABLE


@pytest.mark.parametrize(("policy", "requires"), [("reject", True), ("accept", False)])
def test_the_policy_says_whether_claims_are_required(policy: str, *, requires: bool) -> None:
    rules = Deduplication(parameters=("body.id",), on_redis_down="accept" if policy == "accept" else "reject")
    route = published({KEY: an_integration(deduplication=rules)})[ID]
    assert isinstance(route, Route)
    assert route.hasher is not None
    assert route.requires_claims is requires


def test_without_rules_there_is_nothing_to_hash_and_nothing_to_claim() -> None:
    route = published({KEY: an_integration()})[ID]
    assert isinstance(route, Route)
    assert route.hasher is None
    assert not route.requires_claims


def test_who_holds_the_old_routes_keeps_them() -> None:
    old = COMPILER.updated(EMPTY, {KEY: an_integration()})
    new = COMPILER.updated(old, {KEY: None})
    assert ID in old.published
    assert ID not in new.published


def test_business_events_are_none_of_the_ingress_s_business() -> None:
    event = BusinessEvent(id=ID, workspace="w", name="n", version=1, integration_id=ID, state="active", where={})
    assert published({f"business-event/{ID}": event, "strange": None}) == {}


async def test_a_draft_is_found_only_where_nothing_is_published() -> None:
    snapshot = Snapshot(COMPILER)
    draft = DraftIntegration(id=ID, workspace="w", name="n", version=0, auth=NoAuth())
    await snapshot.apply({f"draft/{ID}": draft})
    found = snapshot.find(ID)
    assert isinstance(found, Route)
    assert found.is_draft
    await snapshot.apply({KEY: an_integration()})
    found = snapshot.find(ID)
    assert isinstance(found, Route)
    assert not found.is_draft


async def test_a_draft_that_cannot_be_read_looks_like_nothing() -> None:
    snapshot = Snapshot(COMPILER)
    await snapshot.apply({f"draft/{ID}": Undecodable(reason="a later version")})
    assert snapshot.find(ID) is answers.NOT_FOUND


def test_secrets_of_another_master_key_or_another_integration_are_refused_and_never_open() -> None:
    other = "v1.00000000.AAAA"
    sealed = SEALER.seal(b"s", app_secret_place("another"))
    token = SEALER.seal(b"t", verify_token_place(ID))
    for app_secret in (other, sealed):
        auth = MetaAuth(app_secrets=(app_secret,), verify_token=token)
        assert published({KEY: an_integration(auth=auth)})[ID] is answers.UNAVAILABLE


def test_a_bucket_survives_what_does_not_change_the_limit() -> None:
    first = COMPILER.updated(EMPTY, {KEY: an_integration(limit=1)})
    second = COMPILER.updated(first, {KEY: an_integration(limit=1, version=2)})
    third = COMPILER.updated(second, {KEY: an_integration(limit=2, version=3)})
    routes = [view.published[ID] for view in (first, second, third)]
    buckets = [route.bucket for route in routes if isinstance(route, Route)]
    assert buckets[0] is buckets[1]
    assert buckets[1] is not buckets[2]


def test_replicas_share_a_limit() -> None:
    view = Compiler(SEALER, Tallies(), replicas=2).updated(EMPTY, {KEY: an_integration(limit=1)})
    route = view.published[ID]
    assert isinstance(route, Route)
    assert route.bucket is not None
    assert [route.bucket.take(0) for _ in range(3)] == [0, 0, 2]


async def test_a_network_of_mapped_addresses_that_was_stored_before_is_the_one_of_ipv4() -> None:
    key = ApiKey(id="k", workspace="w", permissions=(), allowed_ips=("::ffff:10.0.0.0/120",))
    view = COMPILER.updated(EMPTY, {"api-key/k": key})
    assert view.keyring.api["k"].networks == (IPv4Network("10.0.0.0/24"),)


@pytest.mark.parametrize("kind", ["capture", "signing-key", "api-key"])
async def test_a_key_or_capture_that_cannot_be_read_lets_nobody_in_and_is_said_in_a_line(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = COMPILER.updated(
        EMPTY,
        {
            "capture/x": Capture(id="x", generation=1, expires_at=datetime.now(UTC)),
            "api-key/x": ApiKey(id="x", workspace="w", permissions=("INCOMING_WEBHOOK_EXECUTE",)),
        },
    )
    after = COMPILER.updated(before, {f"{kind}/x": Undecodable(reason="a later version")})
    views = {"capture": after.captures, "signing-key": after.keyring.signing, "api-key": after.keyring.api}
    assert "x" not in views[kind]
    assert caplog.messages == [f"{kind}/x is beyond this version and counts as not there: a later version"]
