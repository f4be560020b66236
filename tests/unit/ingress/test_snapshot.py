"""Routes, compiled from definitions."""

import pytest

from libs.messages import (
    BusinessEvent,
    Deduplication,
    Integration,
    NoAuth,
    Undecodable,
    decode_definition,
    decode_metadata,
    encode_metadata,
)
from services.ingress import answers
from services.ingress.snapshot import Route, Snapshot, updated

ID = "01234567-89ab-cdef-0123-456789abcdef"
KEY = f"integration/{ID}"


def an_integration(*, version: int = 1, deduplication: Deduplication | None = None) -> Integration:
    return Integration(id=ID, workspace="w", name="Ümlaut", version=version, auth=NoAuth(), deduplication=deduplication)


async def test_nothing_can_be_found_before_the_definitions_are_loaded() -> None:
    snapshot = Snapshot()
    assert snapshot.find(ID) is answers.UNAVAILABLE
    assert snapshot.find(None) is answers.NOT_FOUND
    await snapshot.apply({})
    assert snapshot.find(ID) is answers.NOT_FOUND


async def test_a_published_integration_is_found_until_its_tombstone() -> None:
    snapshot = Snapshot()
    await snapshot.apply({KEY: an_integration()})
    assert isinstance(snapshot.find(ID), Route)
    await snapshot.apply({KEY: None})
    assert snapshot.find(ID) is answers.NOT_FOUND
    await snapshot.apply({KEY: None})
    assert snapshot.find(ID) is answers.NOT_FOUND


def test_a_route_has_the_source_of_its_version_ready_in_ascii() -> None:
    route = updated({}, {KEY: an_integration(version=7)})[ID]
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
    assert updated({}, {KEY: Undecodable(reason="a later version")})[ID] is answers.UNAVAILABLE


@pytest.mark.parametrize("auth", ['{"kind":"retina"}', '{"kind":null}', "null", '"none"'])
def test_an_unknown_kind_of_authentication_is_refused_and_never_open(auth: str) -> None:
    definition = f'{{"kind":"integration","id":"{ID}","workspace":"w","name":"n","version":1,"auth":{auth}}}'
    assert updated({}, {KEY: decode_definition(definition.encode())})[ID] is answers.UNAVAILABLE


def test_a_rule_that_is_no_path_is_refused() -> None:
    broken = an_integration(deduplication=Deduplication(parameters=("body.\\x",)))
    assert updated({}, {KEY: broken})[ID] is answers.UNAVAILABLE


@pytest.mark.parametrize(("policy", "requires"), [("reject", True), ("accept", False)])
def test_the_policy_says_whether_claims_are_required(policy: str, *, requires: bool) -> None:
    rules = Deduplication(parameters=("body.id",), on_redis_down="accept" if policy == "accept" else "reject")
    route = updated({}, {KEY: an_integration(deduplication=rules)})[ID]
    assert isinstance(route, Route)
    assert route.hasher is not None
    assert route.requires_claims is requires


def test_without_rules_there_is_nothing_to_hash_and_nothing_to_claim() -> None:
    route = updated({}, {KEY: an_integration()})[ID]
    assert isinstance(route, Route)
    assert route.hasher is None
    assert not route.requires_claims


def test_who_holds_the_old_routes_keeps_them() -> None:
    old = updated({}, {KEY: an_integration()})
    new = updated(old, {KEY: None})
    assert ID in old
    assert ID not in new


def test_business_events_are_none_of_the_ingress_s_business() -> None:
    event = BusinessEvent(id=ID, workspace="w", name="n", version=1, integration_id=ID, state="active", where={})
    assert updated({}, {f"business-event/{ID}": event, "strange": None}) == {}
