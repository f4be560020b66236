"""What is told of a portion on ``inlet.activity``: one record, whose cost does not grow with the portion."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from libs import topics
from libs.activity import RECENT_LIMIT, Dropped, PipelineReport, Pointer
from libs.exactly_once.outcomes import Ended, Output, Record

_REPORT: Final = msgspec.json.Encoder()


def report(last: Record, endings: Sequence[Ended | None]) -> list[Output]:
    """The report of a portion of one partition that ends with `last`: none where nothing ended.

    Of each integration it has the latest, at most `RECENT_LIMIT`, the oldest first, and the number of all duplicates.
    """
    latest: defaultdict[str, list[Pointer]] = defaultdict(list)
    for ended in reversed(endings):
        if ended is not None and len(pointers := latest[ended.integration_id]) < RECENT_LIMIT:
            pointers.append(ended.pointer)
    if not latest:
        return []
    told = {integration: tuple(reversed(pointers)) for integration, pointers in latest.items()}
    found = PipelineReport(topic=last.topic, partition=last.partition, ended=told, dropped=_dropped(endings))
    value = _REPORT.encode(found)
    return [Output(topic=topics.ACTIVITY, key=None, value=value, timestamp_ms=last.timestamp)]


def _dropped(endings: Sequence[Ended | None]) -> dict[str, dict[int, int]]:
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for ended in endings:
        if ended is not None and isinstance(ended.pointer, Dropped):
            with suppress(ValueError, OverflowError):
                counts[ended.integration_id][int(datetime.fromisoformat(ended.pointer.at).timestamp()) // 60 * 60] += 1
    return {integration: dict(minutes) for integration, minutes in counts.items()}
