"""What the ingress writes about the requests it has answered, on a log and on claims in memory."""

import asyncio

from libs.activity import IngressReport, Rejection, Repetition, decode_report, inputs_of
from libs.deduplication import Hasher
from libs.messages import Position
from services.ingress.acceptance import Record
from services.ingress.reports import Reports
from services.ingress.tally import Tallies, Tally
from tests.unit.ingress.memory import MemoryClaims, MemoryLog

ID = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "11234567-89ab-cdef-0123-456789abcde0"
HASHER = Hasher("i", ("body.id",))


class Bench:
    """The reports with their stores, at a time that stands still."""

    def __init__(self) -> None:
        self.tallies = Tallies(lambda: 1_769_850_930_123_456_789)
        self.claims = MemoryClaims()
        self.log = MemoryLog()
        self.reports = Reports(self.tallies, self.claims, self.log)

    @property
    def written(self) -> list[IngressReport]:
        decoded = [decode_report(record.value) for record in self.log.records]
        return [one for one in decoded if isinstance(one, IngressReport)]

    @property
    def counted(self) -> int:
        return sum(one.accepted for one in self.written)


def repeat(tally: Tally, number: int) -> None:
    body = {"id": number}
    tally.repeat(f"e{number}", HASHER({}, body) or "", lambda: inputs_of(HASHER, {}, body))


async def test_a_second_of_an_integration_is_one_record() -> None:
    bench = Bench()
    tally, other = bench.tallies.of(ID), bench.tallies.of(OTHER)
    await bench.claims.claim(HASHER({}, {"id": 1}) or "", Position(3, 7))
    for _ in range(1000):
        tally.accept()
    repeat(tally, 1)
    tally.reject(400, lambda: "no JSON")
    repeat(other, 2)
    await bench.reports.flush()
    await bench.reports.flush()
    [first, second] = bench.log.records
    assert (first.key, first.place, first.headers) == (ID, "456789abcdef", [])
    assert (second.key, second.place) == (OTHER, "456789abcde0")
    report, of_other = bench.written
    assert (report.integration_id, report.at) == (ID, 1_769_850_930)
    assert (report.accepted, report.duplicates, report.rejected) == (1000, 1, 1)
    [repetition, rejection] = report.recent
    assert isinstance(repetition, Repetition)
    assert (repetition.id, repetition.owner) == ("e1", Position(3, 7))
    assert isinstance(rejection, Rejection)
    [repetition] = of_other.recent
    assert isinstance(repetition, Repetition)
    assert repetition.owner is None


async def test_without_the_claims_duplicates_are_told_without_what_they_repeat() -> None:
    bench = Bench()
    bench.claims.down = True
    repeat(bench.tallies.of(ID), 1)
    await bench.reports.flush()
    [repetition] = bench.written[0].recent
    assert isinstance(repetition, Repetition)
    assert (repetition.id, repetition.owner) == ("e1", None)


async def test_the_claims_are_not_asked_where_nothing_is_repeated() -> None:
    bench = Bench()
    bench.tallies.of(ID).accept()
    await bench.reports.flush()
    assert bench.claims.calls == 0


async def test_what_is_not_confirmed_is_written_with_what_follows() -> None:
    bench = Bench()
    tally = bench.tallies.of(ID)
    tally.accept()
    bench.log.confirming = False
    await bench.reports.flush()
    bench.log.records.clear()
    bench.log.confirming = True
    tally.accept()
    await bench.reports.flush()
    assert [one.accepted for one in bench.written] == [2]


class LogThatCloses(MemoryLog):
    """A log that confirms a number of records and then nothing."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self._left = left

    async def append(self, record: Record) -> Position | None:
        self.confirming = self._left > 0
        self._left -= 1
        return await super().append(record)


async def test_where_the_log_ends_the_rest_is_not_tried_and_not_lost() -> None:
    bench = Bench()
    many = [bench.tallies.of(f"01234567-89ab-cdef-0123-{number:012x}") for number in range(1000)]
    for tally in many:
        tally.accept()
    closing = LogThatCloses(150)
    await Reports(bench.tallies, bench.claims, closing).flush()
    assert len(closing.records) == 200  # the slice in which it ended
    await bench.reports.flush()
    assert bench.counted == 850


class LogThatHangs(MemoryLog):
    async def append(self, record: Record) -> Position | None:
        await super().append(record)
        await asyncio.Event().wait()
        return None


async def test_at_the_end_what_is_left_is_written_or_given_up_in_time() -> None:
    bench = Bench()
    running = asyncio.create_task(bench.reports.run())
    bench.tallies.of(ID).accept()
    await bench.reports.close()
    assert bench.counted == 1
    bench.tallies.of(ID).accept()
    hanging = Reports(bench.tallies, bench.claims, LogThatHangs())
    async with asyncio.timeout(10):
        await hanging.close()
    running.cancel()
