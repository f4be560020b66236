"""What is told of a portion on ``inlet.activity``: one record, whose cost does not grow with the portion."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from libs import topics
from libs.activity import RECENT_LIMIT, PipelineReport, Pointer
from libs.exactly_once.outcomes import Ended, Output, Record

_REPORT: Final = msgspec.json.Encoder()


def report(last: Record, endings: Sequence[Ended | None]) -> list[Output]:
    """The report of a portion of one partition that ends with `last`: none where nothing ended.

    Of each integration it has the latest, at most `RECENT_LIMIT`, the oldest first.
    """
    latest: defaultdict[str, list[Pointer]] = defaultdict(list)
    for ended in reversed(endings):
        if ended is not None and len(pointers := latest[ended.integration_id]) < RECENT_LIMIT:
            pointers.append(ended.pointer)
    if not latest:
        return []
    told = {integration: tuple(reversed(pointers)) for integration, pointers in latest.items()}
    value = _REPORT.encode(PipelineReport(topic=last.topic, partition=last.partition, ended=told))
    return [Output(topic=topics.ACTIVITY, key=None, value=value, timestamp_ms=last.timestamp)]
