"""The view of the definitions on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.process import Process
from libs import topics
from libs.definitions import Changes, DefinitionsBehindError, DefinitionsView
from libs.messages import Integration, NoAuth, Undecodable, definition_key
from tests.eventually import eventually


class Applied:
    """Collects what the view hands over."""

    def __init__(self) -> None:
        self.calls: list[Changes] = []
        self.state: dict[str, object] = {}
        self._changed = asyncio.Event()

    async def apply(self, changes: Changes) -> None:
        self.calls.append(changes)
        self.state.update(changes)
        self._changed.set()

    async def until_there_is(self, key: str, value: object) -> None:
        async with asyncio.timeout(30):
            while key not in self.state or self.state[key] != value:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def viewing(bootstrap: str) -> AsyncIterator[tuple[DefinitionsView, Applied]]:
    applied = Applied()
    view = DefinitionsView(bootstrap, applied.apply)
    task = asyncio.create_task(view.run())
    try:
        yield view, applied
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        yield producer


def an_integration(unique: str, version: int = 1) -> Integration:
    return Integration(id=unique, workspace="w", name="n", version=version, auth=NoAuth())


async def put(producer: AIOKafkaProducer, integration: Integration, *, deleted: bool = False) -> None:
    value = None if deleted else msgspec.json.encode(integration)
    await producer.send_and_wait(topics.DEFINITIONS, key=definition_key(integration), value=value)


async def _is_ready(view: DefinitionsView) -> bool:
    return view.ready


async def test_a_view_first_brings_what_exists_and_then_what_changes(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    kept, deleted = an_integration(unique), an_integration(f"{unique}-deleted")
    async with producing(kafka) as producer:
        await put(producer, kept)
        await put(producer, an_integration(unique, version=2))
        await put(producer, deleted)
        await put(producer, deleted, deleted=True)
        async with viewing(kafka) as (view, applied):
            await applied.until_there_is(f"integration/{unique}", an_integration(unique, version=2))
            assert f"integration/{deleted.id}" not in applied.calls[0]
            await put(producer, an_integration(unique, version=3))
            await applied.until_there_is(f"integration/{unique}", an_integration(unique, version=3))
            assert view.ready
            await put(producer, kept, deleted=True)
            await applied.until_there_is(f"integration/{unique}", None)


async def test_what_an_offset_was_reached_for_has_been_applied(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with producing(kafka) as producer, viewing(kafka) as (view, applied):
        metadata = await producer.send_and_wait(
            topics.DEFINITIONS,
            key=definition_key(an_integration(unique)),
            value=msgspec.json.encode(an_integration(unique)),
        )
        async with asyncio.timeout(30):
            await view.reach(metadata.offset + 1)
        assert applied.state[f"integration/{unique}"] == an_integration(unique)
        with pytest.raises(DefinitionsBehindError, match=f"event needs them up to {metadata.offset + 1000}"):
            await view.reach(metadata.offset + 1000, within_s=0.05)


async def test_a_definition_that_cannot_be_read_is_not_taken_for_deleted(kafka: str, unique: str) -> None:
    await topics.ensure_topics(kafka)
    async with producing(kafka) as producer, viewing(kafka) as (_, applied):
        await producer.send_and_wait(topics.DEFINITIONS, key=f"integration/{unique}".encode(), value=b"{}")
        await applied.until_there_is(
            f"integration/{unique}", Undecodable(reason="Object missing required field `kind`")
        )


async def test_a_view_of_an_empty_topic_is_ready_and_lives_through_the_death_of_its_broker(
    private_kafka: Process, unique: str
) -> None:
    await topics.ensure_topics(private_kafka.address)
    async with viewing(private_kafka.address) as (view, applied):
        await eventually(lambda: _is_ready(view))
        assert applied.calls == [{}]
        await private_kafka.kill()
        await private_kafka.start()
        async with producing(private_kafka.address) as producer:
            await put(producer, an_integration(unique))
        await applied.until_there_is(f"integration/{unique}", an_integration(unique))


async def test_a_view_waits_for_a_broker_and_a_topic_that_come_later(private_kafka: Process, unique: str) -> None:
    await private_kafka.stop()
    async with viewing(private_kafka.address) as (view, applied):
        await private_kafka.start()
        assert not view.ready
        await topics.ensure_topics(private_kafka.address)
        async with producing(private_kafka.address) as producer:
            await put(producer, an_integration(unique))
        await applied.until_there_is(f"integration/{unique}", an_integration(unique))
