from collections.abc import Sequence

import pytest

from libs.activity import Dead, Dropped
from libs.claims import ClaimsUnavailableError, Replayed
from libs.exactly_once.outcomes import Decider, Decision, Ended
from libs.messages import Position
from services.normalizer.handlers import Normalizer
from services.normalizer.normalize import NOT_AN_OBJECT
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.ingress.memory import MemoryClaims
from tests.unit.normalizer.test_normalize import EVENT_ID, RECEIVED_AT, request


def at(offset: int, body: bytes, *, key: bytes, deduplicated: bool) -> MemoryRecord:
    made = request(body, key=key, deduplicated=deduplicated)
    return MemoryRecord(partition=2, offset=offset, key=key, value=body, headers=made.headers)


def kinds(decisions: Sequence[Decision]) -> list[object]:
    return [len(outcome) if isinstance(outcome, Sequence) else outcome for outcome, _ in decisions]


async def test_outcomes_come_in_the_order_of_the_records() -> None:
    records = [
        at(0, b"{}", key=b"h", deduplicated=True),
        at(1, b"[]", key=b"h", deduplicated=True),
        at(2, b"{}", key=b"e", deduplicated=False),
        at(3, b"{}", key=b"h", deduplicated=True),
        at(4, b"{}", key=b"g", deduplicated=True),
    ]
    assert kinds(await Normalizer(MemoryClaims(), Decider()).step(records)) == [1, NOT_AN_OBJECT, 1, 0, 1]


async def test_records_that_were_not_decided_about_claim_nothing() -> None:
    normalizer = Normalizer(MemoryClaims(), Decider(turn_limit_s=0))
    records = [at(offset, b"{}", key=key, deduplicated=True) for offset, key in enumerate([b"h", b"g"])]
    assert kinds(await normalizer.step(records)) == [1]
    assert kinds(await normalizer.step([at(1, b"{}", key=b"g", deduplicated=True)])) == [1]


async def test_a_portion_that_is_repeated_has_the_same_outcomes() -> None:
    normalizer = Normalizer(MemoryClaims(), Decider())
    records = [at(offset, b"{}", key=b"h", deduplicated=True) for offset in range(3)]
    assert kinds(await normalizer.step(records)) == kinds(await normalizer.step(records)) == [1, 0, 0]


async def test_a_request_that_is_a_dead_letter_claims_nothing() -> None:
    normalizer = Normalizer(MemoryClaims(), Decider())
    await normalizer.step([at(0, b"[]", key=b"h", deduplicated=True)])
    assert kinds(await normalizer.step([at(1, b"{}", key=b"h", deduplicated=True)])) == [1]


class _NoClaims(MemoryClaims):
    async def resolve(self, records: Sequence[tuple[str, Position | Replayed]]) -> list[bool]:
        raise ClaimsUnavailableError(str(len(records)))


async def test_without_the_store_deduplicated_requests_wait() -> None:
    with pytest.raises(ClaimsUnavailableError):
        await Normalizer(_NoClaims(), Decider()).step([at(0, b"{}", key=b"h", deduplicated=True)])


async def test_other_requests_do_not_need_the_store() -> None:
    assert kinds(await Normalizer(_NoClaims(), Decider()).step([at(0, b"{}", key=b"h", deduplicated=False)])) == [1]


async def test_of_what_ends_here_the_owner_is_told_and_of_events_nothing() -> None:
    records = [
        at(0, b"{}", key=b"h", deduplicated=True),
        at(1, b"{}", key=b"h", deduplicated=True),
        at(2, b"[]", key=b"e", deduplicated=False),
        MemoryRecord(partition=2, offset=3),
    ]
    decided = await Normalizer(MemoryClaims(), Decider()).step(records)
    assert [ended for _, ended in decided] == [
        None,
        Ended("i", Dropped(EVENT_ID, 1, RECEIVED_AT)),
        Ended("i", Dead(EVENT_ID, 2, RECEIVED_AT, "not-a-json-object")),
        None,
    ]
