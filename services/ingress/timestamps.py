"""Points in time as RFC 3339 text."""

from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(unix_ns: int, digits: int) -> str:
    """UTC with `digits` (1 to 9) fractional digits, the rest cut off."""
    seconds, fraction = divmod(unix_ns, 10**9)
    return f"{_whole(seconds)}.{f'{fraction:09}'[:digits]}Z"


@lru_cache(maxsize=8)
def _whole(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
