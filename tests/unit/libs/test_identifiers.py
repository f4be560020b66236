import time
from uuid import UUID

import pytest

from libs.identifiers import new_event_id, part_id, time_ms_of, trigger_id


def test_an_event_id_is_a_uuid_version_7_that_carries_its_time() -> None:
    before_ms = time.time_ns() // 1_000_000
    event_id = UUID(new_event_id())
    assert (event_id.version, event_id.variant) == (7, "specified in RFC 4122")
    assert before_ms <= event_id.int >> 80 <= time.time_ns() // 1_000_000


def test_event_ids_differ_and_sort_by_time() -> None:
    ids = [new_event_id(now_ms) for now_ms in range(1000)]
    assert len({new_event_id(7) for _ in range(1000)}) == 1000
    assert ids == sorted(ids)


def test_a_trigger_id_follows_from_what_it_identifies() -> None:
    event_id, business_event_id = new_event_id(), new_event_id()
    assert trigger_id(event_id, business_event_id) == trigger_id(event_id, business_event_id)
    assert trigger_id(event_id, business_event_id) != trigger_id(business_event_id, event_id)


def test_what_is_no_event_id_has_no_trigger_id() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        trigger_id("nonsense", "x")


def test_the_time_of_an_event_id_can_be_read_and_other_ids_have_none() -> None:
    event_id = new_event_id(1_769_850_930_123)
    assert time_ms_of(event_id) == 1_769_850_930_123
    assert time_ms_of(part_id(event_id, "0.0")) is None
    with pytest.raises(ValueError, match="badly formed"):
        time_ms_of("nonsense")
