"""What normalizer and trigger have told of requests on ``inlet.activity``."""

from collections.abc import Iterable

from aiokafka.structs import ConsumerRecord

from libs.activity import PipelineReport, Pointer, decode_report


def reports_in(records: Iterable[ConsumerRecord], topic: str, integration: str) -> list[PipelineReport]:
    """The reports of one topic that tell of an integration."""
    decoded = [decode_report(record.value) for record in records]
    return [
        one for one in decoded if isinstance(one, PipelineReport) and one.topic == topic and integration in one.ended
    ]


def pointers_in(records: Iterable[ConsumerRecord], topic: str, integration: str) -> list[Pointer]:
    """What was told of an integration, in the order of each partition."""
    return [pointer for one in reports_in(records, topic, integration) for pointer in one.ended[integration]]
