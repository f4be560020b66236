"""The chart of an integration's requests: a bar for each half hour of a day, as rectangles to draw."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from services.config.activity import Bucket

WIDTH: Final = 960
HEIGHT: Final = 120
_BUCKETS_PER_BAR: Final = 6
_GAP: Final = 2
_LEAST: Final = 2  # what is not nothing can be seen


class Part(Struct, frozen=True, kw_only=True):
    """A rectangle of a bar. `kind` is what it counts."""

    kind: str
    y: float
    height: float


class Bar(Struct, frozen=True, kw_only=True):
    """What came in the half hour from `at` on."""

    at: datetime
    x: float
    width: float
    accepted: int
    duplicates: int
    rejected: int
    parts: Sequence[Part]


class Chart(Struct, frozen=True, kw_only=True):
    """The bars from the oldest to the newest, the tallest as high as the chart, and the sums of all."""

    bars: Sequence[Bar]
    highest: int
    accepted: int
    duplicates: int
    rejected: int


def chart_of(series: Sequence[Bucket]) -> Chart:
    """The chart of buckets, the oldest first."""
    groups = [series[start : start + _BUCKETS_PER_BAR] for start in range(0, len(series), _BUCKETS_PER_BAR)]
    sums = [_sums(group) for group in groups]
    highest = max((sum(one) for one in sums), default=0)
    width = WIDTH / max(1, len(groups))
    bars = [
        Bar(
            at=group[0].at,
            x=round(number * width, 1),
            width=round(width - _GAP, 1),
            accepted=accepted,
            duplicates=duplicates,
            rejected=rejected,
            parts=_parts((accepted, duplicates, rejected), highest),
        )
        for number, (group, (accepted, duplicates, rejected)) in enumerate(zip(groups, sums, strict=True))
    ]
    accepted, duplicates, rejected = _sums(series)
    return Chart(bars=bars, highest=highest, accepted=accepted, duplicates=duplicates, rejected=rejected)


def _sums(buckets: Sequence[Bucket]) -> tuple[int, int, int]:
    return (
        sum(one.accepted for one in buckets),
        sum(one.duplicates for one in buckets),
        sum(one.rejected for one in buckets),
    )


def _parts(counts: Sequence[int], highest: int) -> list[Part]:
    """One on the other, from the ground up."""
    parts: list[Part] = []
    top = float(HEIGHT)
    for kind, count in zip(("accepted", "duplicates", "rejected"), counts, strict=True):
        if count:
            height = max(_LEAST, count / highest * HEIGHT)
            top = max(0.0, top - height)
            parts.append(Part(kind=kind, y=round(top, 1), height=round(height, 1)))
    return parts
