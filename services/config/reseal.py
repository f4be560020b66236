"""Everything that is sealed, sealed anew with the first master key, so that the other keys can go.

It may run beside config processes and changes of authors, be ended at any time, and be repeated.

1. In one workspace after the other, and under its lock as every change (see `store.scope`), open what another key has
   sealed and seal it again, some definitions in a transaction. What the other services are told of it goes to the
   outbox in the same transaction.
2. Nothing may be left. Something is if a config process still seals with another key.
3. Wait until the relay of a config process has emptied the outbox up to here: what is published from now on is sealed
   with the first key.
4. Read the topic up to its end. The last record of each key is what counts, because a service reads as far before it
   opens a secret. Once all of them are sealed with the first key, no other is needed.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from libs import topics
from libs.consumers import consumer_of, partitions_of
from libs.definitions import fold
from libs.messages import Definition, DraftIntegration, Integration, Undecodable
from libs.sealing import SealedError, Sealer
from services.config.audit import subject_kind
from services.config.errors import UnavailableError
from services.config.sealed import Secretive, resealed, texts_in, texts_in_auth
from services.config.settings import Settings
from services.config.store.database import Database
from services.config.store.outbox import Outbox
from services.config.store.scope import Workspaces

__all__ = ["ResealError", "Settings", "reseal"]

_AT_ONCE: Final = 50
_POLL_S: Final = 0.2
_POLL_MS: Final = 500
_STANDSTILL_LIMIT_S: Final = 60.0
_TELL_EVERY_S: Final = 1.0

Tell = Callable[[str], None]


class ResealError(Exception):
    """Not everything is sealed with the first key, or it is not known. What is sealed anew stays."""


async def reseal(settings: Settings, tell: Tell, *, standstill_limit_s: float = _STANDSTILL_LIMIT_S) -> None:
    """Return once no key but the first is needed any more, and `tell` about once a second how far it is.

    Raises:
        ResealError: it could not be done to the end.
        SettingsError: the database is of no kind that is supported, or a master key is none.
    """
    sealer, database = Sealer(settings.master_key), Database(settings.database)
    try:
        partition, *_ = await partitions_of(settings.kafka, topics.DEFINITIONS)  # first: without Kafka it cannot end
        await _reseal_stored(Workspaces(database, lambda: datetime.now(UTC)), sealer, tell)
        await _until_published(Outbox(database), tell, standstill_limit_s)
        await _check_topic(settings.kafka, partition, sealer)
    except (KafkaError, TimeoutError) as error:
        raise ResealError(f"Kafka at INLET_KAFKA={settings.kafka} cannot be read: {_reason(error)}") from error
    except (UnavailableError, DBAPIError) as error:
        reason = _reason(error.__cause__ if isinstance(error, UnavailableError) else error)
        raise ResealError(f"the database does not answer, or is not that of config: {reason}") from error
    finally:
        await database.close()
    tell(
        f"Done: all secrets, in the database and on the topic, are sealed with master key {sealer.first}. No other key "
        "is needed any more: INLET_MASTER_KEY of all config and ingress processes may now be that key alone."
    )


async def _reseal_stored(workspaces: Workspaces, sealer: Sealer, tell: Tell) -> None:
    total, others = await _found(workspaces, sealer)
    left = sum(map(len, others.values()))
    tell(f"{left:,} of {total:,} integrations and signing keys have to be sealed with master key {sealer.first}")
    done, told_s = 0, time.monotonic()
    for workspace_id, ids in others.items():
        for start in range(0, len(ids), _AT_ONCE):
            some, began_s = ids[start : start + _AT_ONCE], time.monotonic()
            async with workspaces.tending(workspace_id) as scope:
                stored: list[Secretive] = [*await scope.integrations.some(some), *await scope.signing_keys.some(some)]
                anew = [(one, _resealed(one, sealer)) for one in stored]
                await scope.reseal([(before, after) for before, after in anew if after != before])
            done += len(some)
            await asyncio.sleep(time.monotonic() - began_s)  # SQLite has one writer: others get their turn
            if done == left or time.monotonic() > told_s + _TELL_EVERY_S:
                told_s = time.monotonic()
                tell(f"{done:,} of {left:,} sealed")
    _, others = await _found(workspaces, sealer)
    if others:
        raise ResealError(
            "a config process has sealed something with another key meanwhile: let INLET_MASTER_KEY of all of them "
            f"begin with {sealer.first}, and run this again"
        )


async def _found(workspaces: Workspaces, sealer: Sealer) -> tuple[int, dict[str, list[str]]]:
    """How many definitions have secrets; and the ids, by workspace, of those that another key has sealed."""
    total, others = 0, dict[str, list[str]]()
    for workspace_id in await workspaces.ids():
        async with workspaces.reading(workspace_id) as scope:
            stored: list[Secretive] = [*await scope.integrations.all(), *await scope.signing_keys.all()]
        for one in stored:
            texts = texts_in(one)
            with _naming(one):
                for text in texts:
                    sealer.check(text)
            total += bool(texts)
            if not all(map(sealer.is_current, texts)):
                others.setdefault(workspace_id, []).append(one.id)
    return total, others


def _resealed(stored: Secretive, sealer: Sealer) -> Secretive:
    with _naming(stored):
        return resealed(stored, sealer)


@contextmanager
def _naming(stored: Secretive) -> Iterator[None]:
    try:
        yield
    except SealedError as error:
        raise ResealError(f"a secret of {subject_kind(stored)} {stored.id} was {error}") from error


async def _until_published(outbox: Outbox, tell: Tell, standstill_limit_s: float) -> None:
    last, before, told_s = await outbox.last(), math.inf, 0.0
    try:
        async with asyncio.timeout(None) as limit:
            while waiting := await outbox.waiting(last):
                if waiting < before:
                    limit.reschedule(asyncio.get_running_loop().time() + standstill_limit_s)
                    before = waiting
                if time.monotonic() > told_s + _TELL_EVERY_S:
                    told_s = time.monotonic()
                    tell(f"records that wait until a config process publishes them: {waiting:,}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise ResealError(
            f"in {standstill_limit_s:g} s no config process has published any of the records that wait: {before:,}. "
            "Run this again when config runs and reaches Kafka; until then the other keys are needed"
        ) from error


async def _check_topic(bootstrap: str, partition: TopicPartition, sealer: Sealer) -> None:
    is_current = dict[str, bool]()
    async with consumer_of(bootstrap) as consumer, asyncio.timeout(_STANDSTILL_LIMIT_S) as limit:
        [begin] = (await consumer.beginning_offsets([partition])).values()
        [end] = (await consumer.end_offsets([partition])).values()
        consumer.assign([partition])
        consumer.seek(partition, begin)
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(partition, timeout_ms=_POLL_MS)).values():
                is_current |= {key: _is_current(one, sealer) for key, one in fold(records).items()}
                limit.reschedule(asyncio.get_running_loop().time() + _STANDSTILL_LIMIT_S)
    if others := [key for key, current in is_current.items() if not current]:
        raise ResealError(
            f"on {topics.DEFINITIONS} are records that are sealed with another key, and that nothing stored replaces: "
            f"{len(others):,}, such as {others[0]}. Is INLET_DATABASE that of the config processes that publish there?"
        )


def _is_current(definition: Definition | Undecodable | None, sealer: Sealer) -> bool:
    match definition:
        case Undecodable():
            return False  # nobody knows
        case Integration() | DraftIntegration():
            return all(map(sealer.is_current, texts_in_auth(definition.auth)))
        case _:
            return True


def _reason(error: BaseException | None) -> str:
    """In a line, and without the statement."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
