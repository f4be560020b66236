"""Senders that are slow, in pieces, too big, gone, or particular about HTTP."""

import asyncio

import pytest

from tests.eventually import eventually
from tests.integration.ingress.serving import Ingress, path_of
from tests.integration.ingress.wire import wire_to

MIB = 1024 * 1024


async def test_4_mib_are_413_and_the_sender_can_read_it_after_it_has_sent_everything(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, f"Content-Length: {4 * MIB}")
        wire.writer.write(bytes(4 * MIB))
        await wire.writer.drain()
        reply = await wire.reply()
        assert reply.status == 413
        assert reply.headers["connection"] == "close"
        assert await wire.is_closed()
    assert await ingress.requests(integration_id) == []


async def test_4_mib_in_chunks_are_413_too(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Transfer-Encoding: chunked")
        for _ in range(4):
            wire.chunk(bytes(MIB))
            await wire.writer.drain()
        wire.chunk(b"")
        await wire.writer.drain()
        assert (await wire.reply()).status == 413
        assert await wire.is_closed()
    assert await ingress.requests(integration_id) == []


async def test_a_declared_length_over_the_limit_is_413_before_anything_is_sent(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, f"Content-Length: {4 * MIB}")
        assert (await wire.reply()).status == 413


async def test_a_body_in_chunks_is_put_together(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Transfer-Encoding: chunked")
        for piece in (b'{"a', b'":"', b"x" * 100_000, b'"}', b""):
            wire.chunk(piece)
            await wire.writer.drain()
        assert (await wire.reply()).status == 200
    [record] = await ingress.requests(integration_id)
    assert record.value == b'{"a":"%s"}' % (b"x" * 100_000)


async def test_a_sender_that_asks_first_is_told_to_continue(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Content-Length: 2", "Expect: 100-continue")
        assert (await wire.reply()).status == 100
        wire.writer.write(b"{}")
        assert (await wire.reply()).status == 200


async def test_a_sender_that_asks_first_is_refused_without_being_told_to_continue(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, f"Content-Length: {4 * MIB}", "Expect: 100-continue")
        assert (await wire.reply()).status == 413


async def test_a_sender_that_stalls_is_408(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Content-Length: 100")
        wire.writer.write(b'{"a":')
        assert (await wire.reply()).status == 408
        assert await wire.is_closed()
    assert await ingress.requests(integration_id) == []


async def test_a_sender_that_drips_is_408_when_its_time_is_over(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Content-Length: 1000000")
        reply = asyncio.create_task(wire.reply())

        async def has_reply() -> bool:
            wire.writer.write(b" ")
            return reply.done()

        await eventually(has_reply, within_s=15)
        assert (await reply).status == 408


async def test_a_sender_that_goes_away_mid_body_leaves_nothing(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, "Content-Length: 100")
        wire.writer.write(b'{"a":1}')
        await wire.writer.drain()
    assert (await ingress.send(integration_id, b'{"b":2}')).status_code == 200
    assert [record.value for record in await ingress.requests(integration_id)] == [b'{"b":2}']


async def test_requests_in_a_row_on_one_connection_are_answered_in_order(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        for raw in (b"{}", b"[]", b"{}"):
            wire.head(integration_id, "Content-Length: 2")
            wire.writer.write(raw)
        assert [(await wire.reply()).status for _ in range(3)] == [200, 400, 200]


async def test_an_offer_of_http_2_is_ignored(ingress: Ingress) -> None:
    """Java's HTTP client makes one with its first request."""
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(
            integration_id,
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            "Content-Length: 2",
        )
        wire.writer.write(b"{}")
        assert (await wire.reply()).status == 200
        wire.head(integration_id, "Content-Length: 2")
        wire.writer.write(b"{}")
        assert (await wire.reply()).status == 200


async def test_an_early_answer_does_not_break_the_next_connection(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    for _ in range(3):
        assert (await ingress.send(integration_id, b"{}", content_type="text/plain")).status_code == 415
        assert (await ingress.send(integration_id, b"{}")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/elsewhere", "/automation-endpoint/", "/healthz"])
async def test_a_404_that_does_not_wait_for_the_body_says_that_the_connection_ends(ingress: Ingress, path: str) -> None:
    async with wire_to(ingress.port) as wire:
        wire.head_for(path, "Content-Length: 2")
        reply = await wire.reply()
        assert (reply.status, reply.headers["connection"]) == (404, "close")
        wire.writer.write(b"{}")
        assert await wire.is_closed()


async def test_a_refusal_without_a_body_leaves_the_connection_open(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, method="GET")
        assert (await wire.reply()).status == 405
        wire.head(f"{integration_id}x", "Content-Length: 0")
        assert (await wire.reply()).status == 404
        wire.head(integration_id, "Content-Length: 2")
        wire.writer.write(b"{}")
        assert (await wire.reply()).status == 200


@pytest.mark.parametrize("lines", [["Content-Length: 0"], []])
async def test_a_request_without_a_body_is_400_at_once_and_leaves_the_connection_open(
    ingress: Ingress, lines: list[str]
) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        for _ in range(2):
            wire.head(integration_id, *lines)
            assert (await wire.reply()).status == 400


async def test_zeros_before_the_length_do_not_count(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, f"Content-Length: {'0' * 5000}2")
        wire.writer.write(b"{}")
        assert (await wire.reply()).status == 200


async def test_a_head_without_an_end_is_431_and_keeps_nobody_waiting(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    async with wire_to(ingress.port) as wire:
        wire.head(integration_id, *["a:b"] * 400_000, "Content-Length: 2")
        async with asyncio.timeout(10):
            assert (await ingress.send(integration_id, b"{}")).status_code == 200
    async with wire_to(ingress.port) as wire:
        wire.writer.write(b"POST / HTTP/1.1\r\na: " + b"b" * 65_536)
        assert (await wire.reply()).status == 431
        assert await wire.is_closed()


async def test_an_encoded_slash_is_no_slash(ingress: Ingress) -> None:
    integration_id = await ingress.publish()
    path = path_of(integration_id).replace("/trigger", "%2Ftrigger")
    assert (await ingress.http.post(path, json={})).status_code == 404


async def test_what_is_not_http_leaves_no_line_in_the_log(ingress: Ingress) -> None:
    before = ingress.log.read_text()
    async with wire_to(ingress.port) as wire:
        wire.writer.write(b"\x16\x03\x01\r\n\r\n")
        assert (await wire.reply()).status == 400
    assert ingress.log.read_text() == before
