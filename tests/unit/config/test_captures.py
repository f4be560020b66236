"""What a capture takes in."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from libs.messages import RefusedSample, Sample
from services.config.captures import noted
from services.config.definitions import Capture

UNTIL = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
ARMED = Capture(id="i", generation=2, state="armed", expires_at=UNTIL)


def sample(at: datetime, generation: int = 2) -> Sample:
    received_at = at.isoformat().replace("+00:00", "Z")
    return Sample(
        integration_id="i", generation=generation, received_at=received_at, headers={}, body=msgspec.Raw(b"{}")
    )


def test_a_sample_that_was_received_in_time_is_taken() -> None:
    for at in (UNTIL - timedelta(seconds=90), UNTIL, UNTIL + timedelta(milliseconds=900)):
        assert noted(ARMED, sample(at)).state == "received"


def test_a_sample_that_came_when_the_capture_had_timed_out_is_not() -> None:
    late = UNTIL + timedelta(seconds=2)
    assert noted(ARMED, sample(late)) is ARMED
    refused = RefusedSample(
        integration_id="i", generation=2, received_at=late.isoformat(), status=400, reason="not JSON"
    )
    assert noted(ARMED, refused) is ARMED


def test_a_sample_that_was_received_in_time_is_taken_also_when_it_was_read_too_late() -> None:
    timed_out = replace(ARMED, state="timed_out")
    assert noted(timed_out, sample(UNTIL)).state == "received"


def test_what_is_cancelled_takes_nothing() -> None:
    cancelled = replace(ARMED, state="cancelled")
    assert noted(cancelled, sample(UNTIL)) is cancelled


def test_a_sample_of_another_generation_is_not_taken() -> None:
    assert noted(ARMED, sample(UNTIL, generation=1)) is ARMED
