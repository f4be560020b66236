"""Every metric, by name and meaning, and the one shape of log lines."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from textwrap import indent
from types import TracebackType
from typing import Final, Literal

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.registry import Collector

from libs.escaping import escaped

# Made without a registry: a service shows its own and no other's, see `registry_of`.
REQUESTS: Final = Counter(
    "inlet_ingress_requests", "Requests answered by the webhook endpoint, by status", ["status"], registry=None
)
REQUEST_SECONDS: Final = Histogram(
    "inlet_ingress_request_seconds",
    "From the head of a request to its answer",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=None,
)
CONNECTIONS: Final = Gauge("inlet_ingress_connections", "Connections of senders that are open", registry=None)
INTAKE_BYTES: Final = Gauge(
    "inlet_ingress_intake_bytes",
    "What has come of the heads and bodies of requests that are not answered",
    registry=None,
)
VIEW_CONTACT: Final = Gauge(
    "inlet_definitions_contact_timestamp_seconds",
    "When the broker last confirmed that the view of the definitions is current; its age is now minus this",
    registry=None,
)
EVENTS: Final = Counter(
    "inlet_normalizer_requests", "Requests resolved by the normalizer, by outcome", ["outcome"], registry=None
)
TRIGGERS: Final = Counter("inlet_trigger_triggers", "Triggers published", registry=None)
EVENTS_MATCHED: Final = Counter("inlet_trigger_events", "Events matched against the Business Events", registry=None)
DEAD_LETTERS: Final = Counter("inlet_dead_letters", "Dead letters written, by cause", ["cause"], registry=None)
TRANSACTIONS: Final = Counter(
    "inlet_transactions",
    "Transactions by outcome; a failed one is repeated from its start",
    ["outcome"],
    registry=None,
)
PARTITIONS_OWNED: Final = Gauge("inlet_partitions_owned", "Input partitions this process consumes now", registry=None)
OUTBOX_PENDING: Final = Gauge(
    "inlet_config_outbox_pending", "Changes stored but not yet on the definitions topic", registry=None
)
ACTIVITY_PENDING: Final = Gauge(
    "inlet_config_activity_pending", "Records on the topic of activity that are not yet stored", registry=None
)

_PIPELINE: Final = (TRANSACTIONS, DEAD_LETTERS, PARTITIONS_OWNED)
_METRICS: Final[Mapping[str, Sequence[Collector]]] = {
    "ingress": (REQUESTS, REQUEST_SECONDS, CONNECTIONS, INTAKE_BYTES, VIEW_CONTACT),
    "normalizer": (EVENTS, *_PIPELINE),
    "trigger": (EVENTS_MATCHED, TRIGGERS, VIEW_CONTACT, *_PIPELINE),
    "config": (OUTBOX_PENDING, ACTIVITY_PENDING),
}


def registry_of(service: str) -> CollectorRegistry:
    """The metrics of one service, and those of its process."""
    registry = CollectorRegistry()
    for metric in _METRICS[service]:
        registry.register(metric)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _TextFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  of the base
        return escaped(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  of the base
        """Indented, so that no line of it can be taken for one of the log."""
        return indent(escaped(super().formatException(ei), keep="\n"), "    ")


class _JsonFormatter(_TextFormatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": escaped(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def configure_logging(form: Literal["text", "json"]) -> None:
    """Send one line per change of state to stderr. Payloads and credentials are never logged.

    What others have written, such as the texts of errors, is escaped in either form.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What the server says at a start that succeeds, `services.__main__` says in one line.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # aiokafka warns at every reconnection attempt; the services say once that Kafka is away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
