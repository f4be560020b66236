"""Bodies, from a sender made by hand."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress import answers, body
from services.ingress.answers import HttpAnswer
from services.ingress.body import Body, Intake, Reader
from services.ingress.patience import Patience
from services.ingress.settings import Settings
from tests.unit.ingress.asgi import GONE, Sender, chunk

LIMITS = Settings(
    kafka="", redis="", master_key="", body_limit_bytes=1000, body_idle_timeout_s=0.05, body_timeout_s=0.2
)


ROOM = 10_000


async def read(reading: Body) -> bytes | HttpAnswer | None:
    def cancel(reader: Reader) -> None:
        reader.cancel()

    return await reading.read(LIMITS, Patience(LIMITS.body_idle_timeout_s, cancel))


@given(st.lists(st.binary(max_size=300), max_size=3), st.binary(max_size=100))
async def test_a_body_within_the_limit_is_read_whole_however_it_is_cut(chunks: list[bytes], last: bytes) -> None:
    reading = Body(Sender([*map(chunk, chunks), chunk(last, last=True)]).receive, Intake(ROOM))
    assert await read(reading) == b"".join(chunks) + last
    assert reading.finished


@pytest.mark.parametrize("sizes", [[1001], [1000, 1], [400, 400, 400], [1000, 0, 1]])
async def test_a_body_over_the_limit_is_refused_at_the_byte_that_is_too_much(sizes: list[int]) -> None:
    sender = Sender([chunk(bytes(size)) for size in [*sizes, 1, 1]])
    reading = Body(sender.receive, Intake(ROOM))
    assert await read(reading) is answers.TOO_LARGE
    assert sender.received == len(sizes)
    assert not reading.finished


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    reading = Body(Sender([chunk(bytes(999)), chunk(b"x", last=True)]).receive, Intake(ROOM))
    assert await read(reading) == bytes(999) + b"x"


async def test_a_sender_that_stalls_is_given_up() -> None:
    assert await read(Body(Sender([]).receive, Intake(ROOM))) is answers.STALLED
    assert await read(Body(Sender([chunk(b"some")]).receive, Intake(ROOM))) is answers.STALLED


async def test_a_sender_that_drips_is_given_up_at_the_end_of_its_time() -> None:
    async def drip() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return dict(chunk(b"x"))

    async with asyncio.timeout(5):
        assert await read(Body(drip, Intake(ROOM))) is answers.STALLED


async def test_a_sender_that_goes_away_is_not_answered() -> None:
    assert await read(Body(Sender([GONE]).receive, Intake(ROOM))) is None
    assert await read(Body(Sender([chunk(b"some"), GONE]).receive, Intake(ROOM))) is None


async def test_a_reader_that_is_cancelled_from_outside_is_cancelled() -> None:
    reading = asyncio.create_task(read(Body(Sender([]).receive, Intake(ROOM))))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_reader_that_was_given_up_is_not_left_cancelled() -> None:
    assert await read(Body(Sender([]).receive, Intake(ROOM))) is answers.STALLED
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_draining_ends_with_the_body_or_with_the_sender() -> None:
    for last in (chunk(b"x", last=True), GONE):
        sender = Sender([chunk(b"x"), last])
        await Body(sender.receive, Intake(ROOM)).drain()
        assert sender.received == 2


async def test_draining_ends_after_enough_bytes() -> None:
    sender = Sender([chunk(bytes(1024 * 1024))] * 100)
    await Body(sender.receive, Intake(ROOM)).drain()
    assert sender.received == 16


async def test_draining_ends_after_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_LINGER_S", 0.05)
    async with asyncio.timeout(2):
        await Body(Sender([chunk(b"x")]).receive, Intake(ROOM)).drain()


async def test_what_comes_is_refused_where_there_is_no_room_for_it_until_others_have_let_go() -> None:
    intake = Intake(1000)
    held = Body(Sender([chunk(bytes(600), last=True)]).receive, intake)
    assert await read(held) == bytes(600)
    late = Body(Sender([chunk(bytes(300)), chunk(bytes(101)), chunk(b"", last=True)]).receive, intake)
    assert await read(late) is answers.UNAVAILABLE
    late.let_go()
    held.let_go()
    assert intake.room == 1000
    again = Body(Sender([chunk(bytes(1000), last=True)]).receive, intake)
    assert await read(again) == bytes(1000)
    assert intake.room == 0


async def test_the_bodies_that_have_been_coming_longest_make_room_for_others() -> None:
    intake = Intake(1000)
    slow = [Body(Sender([chunk(bytes(300))]).receive, intake) for _ in range(3)]
    reading = [asyncio.create_task(read(one)) for one in slow]
    await asyncio.sleep(0)
    assert intake.room == 100
    whole = Body(Sender([chunk(bytes(400)), chunk(bytes(200), last=True)]).receive, intake)
    assert await read(whole) == bytes(600)
    assert intake.room == 100
    assert [await one for one in reading] == [answers.UNAVAILABLE] * 2 + [answers.STALLED]
    assert [one.cancelling() for one in reading] == [0] * 3
