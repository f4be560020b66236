"""The step: an event is matched with what was defined before its request, however late that is known here."""

import asyncio

from libs.messages import DEFINITIONS_OFFSET
from services.trigger.handlers import Matching
from services.trigger.rules import Rules
from tests.unit.exactly_once.records import MemoryRecord
from tests.unit.trigger.events import business_event, event, record_of


class Definitions:
    """A view that has applied nothing until it is told to."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self.applied = asyncio.Event()

    async def reach(self, offset: int) -> None:
        self.asked.put_nowait(offset)
        await self.applied.wait()


def with_offset(offset: int) -> MemoryRecord:
    record = record_of(event({"priority": "high"}))
    return MemoryRecord(
        topic=record.topic, key=record.key, value=record.value, headers=[(DEFINITIONS_OFFSET, b"%d" % offset)]
    )


async def test_events_wait_for_the_definitions_that_their_ingress_knew() -> None:
    rules, definitions = Rules(), Definitions()
    await rules.apply({})
    step = asyncio.create_task(
        Matching(rules, definitions.reach).step([with_offset(3), with_offset(9), with_offset(5)])
    )
    assert await definitions.asked.get() == 9
    assert not step.done()
    await rules.apply({"business-event/b": business_event("b")})
    definitions.applied.set()
    assert [len(outcome) for outcome, _ in await step if isinstance(outcome, list)] == [1, 1, 1]
