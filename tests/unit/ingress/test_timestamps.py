"""Points in time as text."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.ingress.timestamps import rfc3339


@given(st.integers(0, 253402300799_999999999), st.integers(1, 9))
def test_a_point_in_time_can_be_read_back_to_its_digits(unix_ns: int, digits: int) -> None:
    text = rfc3339(unix_ns, digits)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    assert len(fraction) == digits
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    read = seconds * 10**9 + int(fraction.ljust(9, "0"))
    assert read == unix_ns - unix_ns % 10 ** (9 - digits)


def test_microseconds_are_what_datetime_makes_of_them() -> None:
    moment = datetime(2026, 1, 31, 9, 15, 30, 123456, UTC)
    assert rfc3339(1769850930_123456789, 6) == moment.isoformat().replace("+00:00", "Z")
