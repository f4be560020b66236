from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from libs.filters.instants import instant, on_same_page, span

WARSAW = ZoneInfo("Europe/Warsaw")
SECOND_NS = 10**9


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND_NS  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("2026-01-31T10:15:30+01:00", ns(2026, 1, 31, 9, 15, 30)),
        ("2026-01-31T00:15:30-23:59", ns(2026, 2, 1, 0, 14, 30)),
        ("2026-01-31T09:15:30-00:00", ns(2026, 1, 31, 9, 15, 30)),
        ("2026-01-31T09:15:30.5Z", ns(2026, 1, 31, 9, 15, 30) + SECOND_NS // 2),
        ("2026-01-31T09:15:30.123456789Z", ns(2026, 1, 31, 9, 15, 30) + 123456789),
        ("2026-01-31T09:15:30.1234567899999Z", ns(2026, 1, 31, 9, 15, 30) + 123456789),
        ("1969-12-31T23:59:59.9Z", -SECOND_NS // 10),
        ("2016-12-31T23:59:60Z", ns(2017, 1, 1)),
        ("2016-12-31T15:59:60.5-08:00", ns(2017, 1, 1) + SECOND_NS // 2),
        ("2026-01-31", ns(2026, 1, 30, 23)),
        ("2026-07-01", ns(2026, 6, 30, 22)),
    ],
)
def test_a_timestamp_or_date_names_an_instant(text: str, expected: int) -> None:
    assert instant(text, WARSAW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1-31",
        "20260131",
        "2026-01-31T",
        "2026-01-31T09:15Z",
        "2026-01-31T09:15:30",
        "2026-01-31 09:15:30Z",
        "2026-01-31T09:15:30.Z",
        "2026-01-31T09:15:30,5Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:60:00Z",
        "2026-01-31T09:15:60Z",
        "2026-01-31T23:59:60+01:00",
        "2026-01-31T23:59:61Z",
        "2026-01-31T09:15:30+24:00",
        "2026-01-31T09:15:30+0100",
        "2026-02-29",
        "0000-01-01",
        "2026-01-31\n",
        " 2026-01-31",
        "２０２６-01-31",  # noqa: RUF001
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert instant(text, UTC) is None
    assert span(text, UTC) is None


def test_a_bare_date_lasts_from_midnight_to_midnight_of_the_zone() -> None:
    assert span("2026-03-29", WARSAW) == (ns(2026, 3, 28, 23), ns(2026, 3, 29, 22) - 1)  # 23 hours: clocks go forward
    assert span("2026-10-25", WARSAW) == (ns(2026, 10, 24, 22), ns(2026, 10, 25, 23) - 1)  # 25 hours
    assert span("2026-01-31T09:15:30Z", WARSAW) == (ns(2026, 1, 31, 9, 15, 30), ns(2026, 1, 31, 9, 15, 30))


@pytest.mark.parametrize("zone", [UTC, WARSAW, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z"])
def test_the_ends_of_the_calendar_are_dates_like_any_other(text: str, zone: timezone) -> None:
    covered = span(text, zone)
    assert covered is not None
    assert covered[0] <= covered[1]
    assert not on_same_page(covered[0], datetime(2026, 1, 31, tzinfo=UTC), zone, 1)


def test_the_current_hour_and_day_are_those_of_the_zone() -> None:
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)  # 1 February, 00:30 in Warsaw
    assert on_same_page(ns(2026, 1, 31, 23), now, WARSAW, 4)
    assert on_same_page(ns(2026, 2, 1, 22), now, WARSAW, 3)
    assert on_same_page(ns(2026, 2, 1), now, WARSAW, 2)
    assert not on_same_page(ns(2026, 1, 31, 22, 59), now, WARSAW, 2)
    assert not on_same_page(ns(2025, 2, 1), now, WARSAW, 2)


def test_an_hour_that_the_clock_shows_twice_is_one_hour() -> None:
    now = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Warsaw, for the first time
    assert on_same_page(ns(2026, 10, 25, 1, 30), now, WARSAW, 4)
