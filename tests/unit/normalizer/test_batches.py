"""Requests that are split: their parts, what makes two of them the same, and that nothing is left out."""

from collections.abc import Sequence
from uuid import UUID, uuid5

import msgspec
from hypothesis import given

from libs.batches import PARTS_LIMIT_BYTES, exceed_limit
from libs.claims import Replayed
from libs.deduplication import Hasher
from libs.exactly_once.outcomes import TOO_LARGE, DeadLetter, Decider, Decision
from libs.messages import Batch, Event, Position
from services.normalizer.handlers import Normalizer
from services.normalizer.normalize import UNREADABLE_METADATA, CleanEvent, hasher_of, normalize
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.ingress.memory import MemoryClaims
from tests.unit.libs.test_batches import bodies
from tests.unit.normalizer.test_normalize import DEFINITIONS_SEEN, EVENT_ID, request

BY_MESSAGE = ("body.entry.0.changes.0.value.id",)
DOCUMENT = {
    "object": "page",
    "entry": [
        {"id": "1", "changes": [{"value": {"id": "a"}}, {"value": {"id": "b"}}]},
        {"id": "2", "messaging": [{"text": "hello"}]},
        {"id": "3", "changes": [{"value": {"id": "a"}}]},
    ],
    "time": 7,
}


def batch(body: object, *parameters: str, offset: int = 0, event_id: str = EVENT_ID) -> MemoryRecord:
    whole = request(b"", event_id=event_id)
    headers = [*whole.headers, ("inlet-batch", msgspec.json.encode(Batch(parameters=parameters)))]
    return MemoryRecord(offset=offset, key=b"integration", value=msgspec.json.encode(body), headers=headers)


def split(record: MemoryRecord) -> Sequence[CleanEvent]:
    decision = normalize(record)
    assert not isinstance(decision, DeadLetter)
    return decision


def events_of(record: MemoryRecord) -> list[Event]:
    return [msgspec.json.decode(one.output.value or b"", type=Event) for one in split(record)]


def test_each_change_is_an_event_of_the_same_document_with_that_change_alone() -> None:
    events = events_of(batch(DOCUMENT))
    assert [event.body for event in events] == [
        {"object": "page", "entry": [{"id": "1", "changes": [{"value": {"id": "a"}}]}], "time": 7},
        {"object": "page", "entry": [{"id": "1", "changes": [{"value": {"id": "b"}}]}], "time": 7},
        {"object": "page", "entry": [{"id": "2", "messaging": [{"text": "hello"}]}], "time": 7},
        {"object": "page", "entry": [{"id": "3", "changes": [{"value": {"id": "a"}}]}], "time": 7},
    ]
    assert events[1].parameters["body.entry.0.changes.0.value.id"] == "b"
    assert [event.id for event in events] == [str(uuid5(UUID(EVENT_ID), place)) for place in ("0.0", "0.1", "1", "2.0")]
    assert {event.request_id for event in events} == {EVENT_ID}


def test_parts_keep_the_key_the_time_and_the_definitions_of_their_request() -> None:
    outputs = [one.output for one in split(batch(DOCUMENT))]
    assert {(output.key, output.timestamp_ms) for output in outputs} == {(b"integration", 1_769_850_930_123)}
    assert [output.headers for output in outputs] == [[("inlet-definitions-offset", b"%d" % DEFINITIONS_SEEN)]] * len(
        outputs
    )


def test_a_document_without_entries_is_one_event_with_the_id_of_its_request() -> None:
    bodies: list[dict[str, object]] = [{}, {"entry": []}, {"entry": {}}, {"entry": "x"}, {"other": [1]}]
    for body in bodies:
        (event,) = events_of(batch(body))
        assert (event.id, event.request_id, event.body) == (EVENT_ID, msgspec.UNSET, body)
        (clean,) = split(batch(body))
        assert b"requestId" not in (clean.output.value or b"")


def test_an_entry_without_changes_is_one_event_whatever_it_is() -> None:
    entries: list[object] = [1, None, "x", [], {}, {"changes": []}, {"changes": {"a": 1}}]
    assert [event.body for event in events_of(batch({"entry": entries}))] == [{"entry": [entry]} for entry in entries]


def test_what_all_parts_have_in_common_is_enough_to_refuse_them() -> None:
    """A small request, of which every part would be large: it is refused before any is made."""
    body = {"common": [{}] * 24_000, "entry": [{"changes": [0] * 24_000}]}
    assert normalize(batch(body)) == TOO_LARGE


def test_without_parameters_no_part_is_claimed() -> None:
    assert {one.claim for one in split(batch(DOCUMENT))} == {None}


def test_of_equal_parts_in_one_request_the_first_is_the_event_and_what_has_no_parameter_is_not_deduplicated() -> None:
    parts = split(batch(DOCUMENT, *BY_MESSAGE))
    assert [one.claim is None for one in parts] == [False, False, True]
    assert [event.body["entry"] for event in events_of(batch(DOCUMENT, *BY_MESSAGE))] == [
        [{"id": "1", "changes": [{"value": {"id": "a"}}]}],
        [{"id": "1", "changes": [{"value": {"id": "b"}}]}],
        [{"id": "2", "messaging": [{"text": "hello"}]}],
    ]


def test_a_part_never_has_the_hash_of_a_whole_request() -> None:
    body = {"entry": [{"changes": [{"value": {"id": "a"}}]}]}
    (part,) = split(batch(body, *BY_MESSAGE))
    assert part.claim == Hasher("i/changes", BY_MESSAGE)({}, body)
    assert part.claim != Hasher("i", BY_MESSAGE)({}, body)
    assert hasher_of("i", BY_MESSAGE) is hasher_of("i", BY_MESSAGE)


def test_a_batch_that_says_nonsense_is_unreadable() -> None:
    for value in (b"", b"[]", b'{"parameters":[1]}', b'{"parameters":["body.\\\\x"]}'):
        headers = [*request(b"").headers, ("inlet-batch", value)]
        assert normalize(MemoryRecord(key=b"i", value=b"{}", headers=headers)) == UNREADABLE_METADATA


def test_all_parts_of_a_request_together_may_be_so_large_and_no_larger() -> None:
    text = "x" * 1_000_000
    of_one = len(split(batch({"t": text, "entry": [{"changes": [0]}]}))[0].output.value or b"")
    fitting = PARTS_LIMIT_BYTES // of_one
    assert len(split(batch({"t": text, "entry": [{"changes": [0] * fitting}]}))) == fitting
    assert normalize(batch({"t": text, "entry": [{"changes": [0] * (fitting + 1)}]})) == TOO_LARGE


@given(bodies())
def test_what_parts_repeat_is_never_more_than_their_events_have(body: dict[str, object]) -> None:
    total = sum(len(one.output.value or b"") for one in split(batch(body)))
    assert not exceed_limit(events_of(batch(body))[0].headers, body, total)


def ids(decisions: Sequence[Decision]) -> list[list[str]]:
    found = []
    for outcome, _ in decisions:
        assert not isinstance(outcome, DeadLetter)
        found.append([msgspec.json.decode(output.value or b"", type=Event).id for output in outcome])
    return found


OTHER_ID = "01947a3e-5b8c-7def-8123-000000000000"


async def test_of_equal_parts_of_two_requests_the_first_is_the_event_and_a_repeated_step_decides_the_same() -> None:
    normalizer = Normalizer(MemoryClaims(), Decider())
    later = {"entry": [{"changes": [{"value": {"id": "c"}}, {"value": {"id": "b"}}]}]}
    records = [batch(DOCUMENT, *BY_MESSAGE), batch(later, *BY_MESSAGE, offset=1, event_id=OTHER_ID)]
    first, second = ids(await normalizer.step(records))
    assert len(first) == 3
    assert second == [str(uuid5(UUID(OTHER_ID), "0.0"))]
    assert ids(await normalizer.step(records)) == [first, second]


class Counting(MemoryClaims):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Position | Replayed] = []

    async def resolve(self, records: Sequence[tuple[str, Position | Replayed]]) -> list[bool]:
        self.asked += [position for _, position in records]
        return await super().resolve(records)


async def test_every_part_is_claimed_for_the_position_of_its_request() -> None:
    claims = Counting()
    await Normalizer(claims, Decider()).step([batch(DOCUMENT, *BY_MESSAGE, offset=9)])
    assert claims.asked == [Position(0, 9)] * 2
