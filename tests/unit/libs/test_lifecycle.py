import asyncio
import signal

import pytest

from libs.lifecycle import Lifecycle


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
