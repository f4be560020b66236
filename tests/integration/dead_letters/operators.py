"""Operators with their command line, and the dead letters that they find."""

import asyncio
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from libs import topics
from libs.exactly_once.outcomes import DeadLetter, outputs_of
from tests.consuming import read_all
from tests.integration.pipeline import Sent, send
from tests.unit.exactly_once.records import MemoryRecord


class Answer(NamedTuple):
    """What a command ended with, said to a program, and said to people."""

    code: int
    out: str
    said: str


async def begin(kafka: str, *arguments: str, dying: str = "") -> asyncio.subprocess.Process:
    """A command as a process of its own, not waited for; see `dying` for what kills it."""
    module = ("tests.integration.dead_letters.dying", dying) if dying else ("services", "dead-letters")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module, *arguments),
        env={"INLET_KAFKA": kafka},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Answer:
    try:
        async with asyncio.timeout(60):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Answer(process.returncode, out.decode(), said.decode())


async def run(kafka: str, *arguments: str) -> Answer:
    return await ended(await begin(kafka, *arguments))


def letter(sent: Sent, cause: str = "unexpected-error", *, topic: str = topics.REQUESTS, offset: int = 0) -> Sent:
    """The dead letter that became of a record at an offset of a topic."""
    service = "normalizer" if topic == topics.REQUESTS else "trigger"
    partition = sent.partition or 0
    record = MemoryRecord(
        topic=topic, partition=partition, offset=offset, key=sent.key, value=sent.value, headers=sent.headers
    )
    (output,) = outputs_of(service, record, DeadLetter(cause))
    headers = [(name, value or b"") for name, value in output.headers]
    return Sent(key=sent.key, value=sent.value, headers=headers, partition=partition)


async def bury(kafka: str, letters: Sequence[Sent]) -> None:
    await send(kafka, topics.DEAD_LETTERS, letters)


async def places(kafka: str, *scope: str) -> list[str]:
    """Where the open ones are that the arguments describe."""
    answer = await run(kafka, "list", *scope)
    return re.findall(r"^(\d+-\d+) ", answer.out, re.MULTILINE)


async def keys_on(kafka: str, topic: str) -> list[bytes]:
    """The keys of what is committed on a topic."""
    return [record.key for record in await read_all(kafka, topic)]


def now() -> datetime:
    return datetime.now(UTC)
