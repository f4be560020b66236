"""The life of a service process: tasks it cannot live without, and the end when one of them dies."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import NamedTuple

from libs.health import AsgiApp

log = logging.getLogger(__name__)


class Lifecycle:
    """Holds the tasks that must not end. If one does, the process stops gracefully and exits with 1."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        # Set as soon as the server is told to stop: it waits for answers that are not finished.
        self.stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """False once an essential task has failed."""
        return self.failure is None

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run `work` until `close`; its failure, or its return, is the end of the process."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def fail(self, error: BaseException) -> None:
        """End the process because of `error`: SIGTERM to itself, exit code 1."""
        if self.failure is None:
            self.failure = error
            log.critical("stopping: %s: %s", type(error).__name__, error)
            os.kill(os.getpid(), signal.SIGTERM)

    async def close(self) -> None:
        """Cancel the tasks and wait until they have ended."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self.fail(task.exception() or RuntimeError(f"{task.get_name()} ended"))


class Service(NamedTuple):
    """What a service's ``build`` returns: the application to serve, and whether it is still fit to be served."""

    app: AsgiApp
    lifecycle: Lifecycle
