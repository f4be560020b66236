"""The steps that make a request durable and unique, on stores in memory."""

import asyncio
import re

import msgspec
import pytest

from libs.identifiers import new_event_id
from libs.messages import Auth, Batch, Deduplication, Integration, NoAuth, Position, decode_metadata
from services.ingress import answers
from services.ingress.acceptance import Acceptance
from services.ingress.answers import HttpAnswer
from services.ingress.integrations import Route
from tests.unit.ingress.compiling import published
from tests.unit.ingress.credentials import meta_auth
from tests.unit.ingress.memory import MemoryClaims, MemoryLog

ID = "01234567-89ab-cdef-0123-456789abcdef"
PLAIN = None
REJECT = Deduplication(parameters=("body.id",))
ACCEPT = Deduplication(parameters=("body.id",), on_redis_down="accept")


class Bench:
    """An acceptance with its stores."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.claims = MemoryClaims()
        self.acceptance = Acceptance(self.log, self.claims, lambda: 7)

    async def send(self, rules: Deduplication | None, body: dict[str, object], auth: Auth | None = None) -> HttpAnswer:
        integration = Integration(id=ID, workspace="w", name="n", version=1, auth=auth or NoAuth(), deduplication=rules)
        route = published({f"integration/{ID}": integration})[ID]
        assert isinstance(route, Route)
        headers = {"x-form-id": "7"}
        dedup_hash = route.hasher(headers, body) if route.hasher else None
        return await self.acceptance.accept(new_event_id(), route, headers, msgspec.json.encode(body), dedup_hash)


def event_id_of(answer: HttpAnswer) -> str:
    return dict(answer.headers)[b"x-request-id"].decode()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_request_is_published_as_it_came_with_its_metadata_beside(bench: Bench) -> None:
    answer = await bench.send(PLAIN, {"id": 1})
    [record] = bench.log.records
    metadata = decode_metadata(record.headers)
    assert answer == answers.accepted(metadata.event_id)
    assert record.value == b'{"id":1}'
    assert metadata.headers == {"x-form-id": "7"}
    assert metadata.source.integration.id == ID
    assert metadata.definitions_offset == 7
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", metadata.received_at)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", metadata.event_id)


async def test_without_rules_the_key_is_the_event_id_and_the_claims_are_not_asked(bench: Bench) -> None:
    bench.claims.down = True
    answer = await bench.send(PLAIN, {"id": 1})
    [record] = bench.log.records
    assert record.key == event_id_of(answer)
    assert record.place is None
    assert not decode_metadata(record.headers).deduplicated
    assert bench.claims.calls == 0


async def test_without_any_chosen_parameter_a_request_is_not_deduplicated(bench: Bench) -> None:
    for _ in range(2):
        assert (await bench.send(REJECT, {"other": 1})).status == 200
    assert [decode_metadata(record.headers).deduplicated for record in bench.log.records] == [False, False]
    assert bench.claims.calls == 0


async def test_with_rules_the_key_is_the_hash_and_places_the_record(bench: Bench) -> None:
    await bench.send(REJECT, {"id": 1})
    await bench.send(REJECT, {"id": 2})
    first, second = bench.log.records
    assert re.fullmatch(r"[0-9a-f]{32}", first.key)
    assert first.key != second.key
    assert first.place == first.key
    assert decode_metadata(first.headers).deduplicated


async def test_a_repeated_request_answers_204_and_publishes_nothing(bench: Bench) -> None:
    assert (await bench.send(REJECT, {"id": 1})).status == 200
    assert await bench.send(REJECT, {"id": 1.0, "more": True}) == answers.DUPLICATE
    assert len(bench.log.records) == 1


@pytest.mark.parametrize(("rules", "parameters"), [(PLAIN, ()), (REJECT, ("body.id",))])
async def test_a_request_that_is_to_be_split_lies_with_all_others_of_its_integration_and_claims_nothing(
    bench: Bench, rules: Deduplication | None, parameters: tuple[str, ...]
) -> None:
    bench.claims.down = True
    split = meta_auth(ID, "s", split_batches=True)
    given = [await bench.send(rules, {"id": 1}, split) for _ in range(2)]
    for answer, record in zip(given, bench.log.records, strict=True):
        metadata = decode_metadata(record.headers)
        assert answer == answers.accepted(metadata.event_id)
        assert (record.key, record.place) == (ID, "456789abcdef")
        assert metadata.batch == Batch(parameters=parameters)
        assert not metadata.deduplicated


async def test_two_at_once_give_one_200_and_one_204(bench: Bench) -> None:
    given = await asyncio.gather(bench.send(REJECT, {"id": 1}), bench.send(REJECT, {"id": 1}))
    assert sorted(answer.status for answer in given) == [200, 204]


@pytest.mark.parametrize("rules", [PLAIN, REJECT, ACCEPT])
async def test_what_kafka_does_not_confirm_is_503_and_claims_nothing(bench: Bench, rules: Deduplication | None) -> None:
    bench.log.confirming = False
    assert await bench.send(rules, {"id": 1}) is answers.UNAVAILABLE
    bench.log.confirming = True
    assert (await bench.send(rules, {"id": 1})).status == 200


async def test_a_retry_of_a_503_whose_record_the_normalizer_found_is_granted_without_an_id(bench: Bench) -> None:
    bench.log.confirming = False
    await bench.send(REJECT, {"id": 1})
    [record] = bench.log.records
    assert await bench.claims.resolve([(record.key, Position(0, 0))]) == [True]
    bench.log.confirming = True
    assert await bench.send(REJECT, {"id": 1}) is answers.ACCEPTED_ELSEWHERE
    assert await bench.send(REJECT, {"id": 1}) is answers.DUPLICATE
    assert len(bench.log.records) == 1


async def test_claims_down_and_reject_is_503_and_publishes_nothing(bench: Bench) -> None:
    bench.claims.down = True
    assert await bench.send(REJECT, {"id": 1}) is answers.UNAVAILABLE
    assert bench.log.records == []


async def test_claims_down_and_accept_is_200_for_each_of_its_records(bench: Bench) -> None:
    bench.claims.down = True
    ids = [event_id_of(await bench.send(ACCEPT, {"id": 1})) for _ in range(2)]
    assert [decode_metadata(record.headers).event_id for record in bench.log.records] == ids


class LogThatBreaksTheClaims(MemoryLog):
    """The claims go down between the two questions to them."""

    claims: MemoryClaims

    async def append(self, record: object) -> Position | None:
        self.claims.down = True
        return await super().append(record)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rules", "status"), [(REJECT, 503), (ACCEPT, 200)])
async def test_claims_that_go_down_after_the_record_is_durable_are_answered_by_the_policy(
    rules: Deduplication, status: int
) -> None:
    bench = Bench()
    bench.log = LogThatBreaksTheClaims()
    bench.log.claims = bench.claims
    bench.acceptance = Acceptance(bench.log, bench.claims, lambda: 7)
    assert (await bench.send(rules, {"id": 1})).status == status
    assert len(bench.log.records) == 1
