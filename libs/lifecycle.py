"""The life of a service process: tasks it cannot live without, the end when one of them dies, and how it takes leave.

A process that others send requests to leaves in this order, so that nobody notices:

1. it says that it is not ready and each answer ends its connection, while everything is served as always: whoever
   spreads the requests sends them elsewhere;
2. it stops listening, ends the connections that are idle, and finishes the requests in hand;
3. it ends its tasks, and what it is connected to.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, MutableMapping
from typing import Any, NamedTuple

from libs.health import NOT_READY, AsgiApp, Receive, Scope, Send

log = logging.getLogger(__name__)


class Lifecycle:
    """Holds the tasks that must not end. If one does, the process stops gracefully and exits with 1."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        # From when the process is told to stop, while it is served as always.
        self.leaving = False
        # Set as soon as the server stops: it waits for answers that are not finished.
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


def taking_leave(service: Service) -> AsgiApp:
    """The application of a service; while the process is leaving it is not ready, and answers end their connections.

    Whoever keeps a connection open then opens the next one elsewhere, instead of writing a request to one that is
    closed in that moment: of such a request nobody can say whether it was taken.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not service.lifecycle.leaving or scope["type"] != "http":
            await service.app(scope, receive, send)
        else:
            app = NOT_READY if scope["path"] == "/readyz" else service.app
            await app({**scope, "extensions": {}}, receive, _last(send))  # by which an answer could go another way

    return app


def _last(send: Send) -> Send:
    async def send_last(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            others = [header for header in message.get("headers", ()) if header[0].lower() != b"connection"]
            message = {**message, "headers": [*others, (b"connection", b"close")]}
        await send(message)

    return send_last
