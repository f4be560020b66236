"""The topics: names, retention, and their creation. Nothing else names or creates a topic."""

from datetime import timedelta
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from libs.clients import start_whole

REQUESTS: Final = "inlet.requests"
EVENTS: Final = "inlet.events"
TRIGGERS: Final = "inlet.triggers"
DEFINITIONS: Final = "inlet.definitions"
SAMPLES: Final = "inlet.samples"
DEAD_LETTERS: Final = "inlet.dead-letters"
ACTIVITY: Final = "inlet.activity"

# The largest record: a body of 3 MiB, its clean event with every path spelled out, and the trigger around it.
RECORD_LIMIT_BYTES: Final = 20 * 1024 * 1024


# Requests and events outlive the deduplication window, so that the window can be rebuilt from them.
EVENTS_KEPT: Final = timedelta(days=8)
# A dead letter is a record of any size with its cause in further headers.
_DEAD_LETTER_LIMIT_BYTES: Final = RECORD_LIMIT_BYTES + 64 * 1024


def _retain(keep: timedelta, limit_bytes: int = RECORD_LIMIT_BYTES) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(keep // timedelta(milliseconds=1)),
        "max.message.bytes": str(limit_bytes),
    }


_COMPACT: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(timedelta(days=1) // timedelta(milliseconds=1)),
}

TOPICS: Final = {
    REQUESTS: _retain(EVENTS_KEPT),
    EVENTS: _retain(EVENTS_KEPT),
    TRIGGERS: _retain(timedelta(days=7)),
    DEFINITIONS: _COMPACT,
    SAMPLES: _retain(timedelta(hours=1)),
    DEAD_LETTERS: _retain(timedelta(days=30), _DEAD_LETTER_LIMIT_BYTES),
    # In the broker's time: a report of old records is as new as others, and no clock makes a transaction fail.
    ACTIVITY: _retain(timedelta(days=1)) | {"message.timestamp.type": "LogAppendTime"},
}


async def ensure_topics(bootstrap: str, *, partitions: int = 12, replication: int = 1) -> None:
    """Create the topics that do not exist. Existing ones are left as they are.

    Raises:
        KafkaError: the broker is away or refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await start_whole(admin.start, admin.close)
    try:
        response = await admin.create_topics(
            [
                # The definitions are one log: their order is the order of the changes.
                NewTopic(
                    name,
                    1 if name == DEFINITIONS else partitions,
                    replication,
                    # Acknowledged by all in-sync replicas means nothing while one is enough to be in sync.
                    topic_configs=config | {"min.insync.replicas": str(max(1, replication - 1))},
                )
                for name, config in TOPICS.items()
            ]
        )
    finally:
        await admin.close()
    for name, code, message, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {message}")
