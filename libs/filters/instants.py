"""Dates in filters and events: RFC 3339 timestamps and bare YYYY-MM-DD dates as exact points in time.

An instant is an int: nanoseconds since 1970-01-01T00:00:00Z; digits beyond the ninth are cut off. A bare date is
the midnight that begins it in a given time zone. A leap second (23:59:60 UTC) is the first second of the next day.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

_FORM: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9])))?"
)
_LEAP_SECOND: Final = "60"
_LAST_MINUTE: Final = 23 * 60 + 59
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date.max.toordinal()
_SECOND_NS: Final = 10**9
DAY_NS: Final = 86_400 * _SECOND_NS
_LONGEST_YEAR_NS: Final = 367 * DAY_NS


def instant(text: str, zone: tzinfo) -> int | None:
    """The point in time that a text names, or None if it is neither RFC 3339 nor YYYY-MM-DD."""
    found = _read(text)
    if found is None:
        return None
    day, time_ns = found
    return _midnight(day, zone) if time_ns is None else day * DAY_NS + time_ns


def span(text: str, zone: tzinfo) -> tuple[int, int] | None:
    """The first and the last instant that a text covers: a whole day for a bare date, else one instant."""
    found = _read(text)
    if found is None:
        return None
    day, time_ns = found
    if time_ns is None:
        return _midnight(day, zone), _midnight(day + 1, zone) - 1
    return day * DAY_NS + time_ns, day * DAY_NS + time_ns


def is_bare_date(text: str) -> bool:
    found = _read(text)
    return found is not None and found[1] is None


def on_same_page(at: int, now: datetime, zone: tzinfo, fields: int) -> bool:
    """Whether calendar and wall clock of `zone` agree at both times in the first `fields` of year, month, day, hour."""
    now_ns = (now - _EPOCH) // timedelta(microseconds=1) * 1000
    if abs(at - now_ns) > _LONGEST_YEAR_NS:  # also keeps the extremes of the calendar out of datetime
        return False
    then = (_EPOCH + timedelta(microseconds=at // 1000)).astimezone(zone)
    return then.timetuple()[:fields] == now.astimezone(zone).timetuple()[:fields]


def _read(text: str) -> tuple[int, int | None] | None:
    """Days since the epoch, and nanoseconds from UTC midnight of that day or None for a bare date."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, offset_hour, offset_minute = form.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    if hour is None:
        return days, None
    offset = int(sign + offset_hour) * 60 + int(sign + offset_minute) if sign else 0
    minutes = int(hour) * 60 + int(minute) - offset
    if second == _LEAP_SECOND and minutes % 1440 != _LAST_MINUTE:
        return None
    nanoseconds = int((fraction or "")[:9].ljust(9, "0"))
    return days, (minutes * 60 + int(second)) * _SECOND_NS + nanoseconds


def _midnight(day: int, zone: tzinfo) -> int:
    local = datetime.fromordinal(min(day + _EPOCH_DAY, _LAST_DAY)).replace(tzinfo=zone)
    offset = local.utcoffset() or timedelta()
    return day * DAY_NS - (offset.days * 86_400 + offset.seconds) * _SECOND_NS
