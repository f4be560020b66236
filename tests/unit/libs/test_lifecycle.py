import asyncio
import signal
from collections.abc import MutableMapping
from typing import Any

import pytest

from libs.health import Receive, Scope, Send, answering
from libs.lifecycle import Lifecycle, Service, taking_leave


async def _fails() -> None:
    raise ValueError("the view is dead")


async def _returns() -> None:
    return


async def _lasts() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("work", "reason"), [(_fails, "the view is dead"), (_returns, "ended")])
async def test_the_end_of_an_essential_task_is_the_end_of_the_process(work: object, reason: str) -> None:
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    try:
        lifecycle = Lifecycle()
        assert callable(work)
        lifecycle.spawn("view", work())
        await asyncio.wait_for(terminated.wait(), timeout=5)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert not lifecycle.alive
    assert reason in str(lifecycle.failure)


async def test_closing_ends_the_tasks_and_is_no_failure() -> None:
    lifecycle = Lifecycle()
    lifecycle.spawn("lasts", _lasts())
    await lifecycle.close()
    assert lifecycle.alive
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "lasts"] == []


async def _answer() -> tuple[int, bytes, str]:
    return 200, b"OK", "text/plain"


async def _answered(service: Service, path: str) -> tuple[int, list[tuple[bytes, bytes]]]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    await taking_leave(service)({"type": "http", "path": path}, receive, send)
    return sent[0]["status"], sent[0]["headers"]


async def test_while_a_process_leaves_it_is_not_ready_and_every_answer_ends_its_connection() -> None:
    service = Service(answering(_answer), Lifecycle())
    assert await _answered(service, "/readyz") == await _answered(service, "/x")
    status, headers = await _answered(service, "/x")
    assert (status, b"connection" in dict(headers)) == (200, False)
    service.lifecycle.leaving = True
    status, headers = await _answered(service, "/x")
    assert (status, dict(headers)[b"connection"]) == (200, b"close")
    status, headers = await _answered(service, "/readyz")
    assert (status, dict(headers)[b"connection"]) == (503, b"close")


async def test_an_answer_that_ends_its_connection_anyway_says_so_once() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})

    service = Service(app, Lifecycle())
    service.lifecycle.leaving = True
    assert await _answered(service, "/x") == (413, [(b"connection", b"close")])
