"""Doing as the ingress and the pipeline, which tell of requests on ``inlet.activity``."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from aiokafka import AIOKafkaProducer

from libs import topics
from libs.activity import IngressReport, Matched, PipelineReport, Rejection, Repetition, Report
from libs.identifiers import new_event_id

AT = datetime(2026, 1, 31, 9, 15, 30, tzinfo=UTC)


async def tell(kafka: str, reports: Iterable[Report]) -> None:
    """Write reports, each to any partition, and return when all are durable."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        futures = [await producer.send(topics.ACTIVITY, msgspec.json.encode(report)) for report in reports]
        for future in futures:
            await future


def counted(
    integration_id: str,
    accepted: int = 0,
    duplicates: int = 0,
    rejected: int = 0,
    *,
    at: datetime = AT,
    recent: tuple[Repetition | Rejection, ...] = (),
) -> IngressReport:
    return IngressReport(
        integration_id=integration_id,
        at=int(at.timestamp()),
        accepted=accepted,
        duplicates=duplicates,
        rejected=rejected,
        recent=recent,
    )


def rejection(at: datetime = AT, reason: str = "no token") -> Rejection:
    return Rejection(id=event_id_of(at), at=at.isoformat(), status=401, reason=reason)


def matched(integration_id: str, count: int, *business_events: str, at: datetime = AT) -> PipelineReport:
    """A portion of so many events, a second after another, that have matched these."""
    pointers = tuple(
        Matched(event_id_of(when), number, when.isoformat(), len(business_events), business_events)
        for number in range(count)
        for when in [at + timedelta(seconds=number)]
    )
    return PipelineReport(topic=topics.EVENTS, partition=0, ended={integration_id: pointers})


def event_id_of(at: datetime) -> str:
    return new_event_id(int(at.timestamp() * 1000))
