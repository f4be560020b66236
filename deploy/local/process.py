"""One process of the stack: started, waited for until it is ready, stopped, killed, started again."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

_BOUND: Final = Path(__file__).with_name("bound.py")
REPOSITORY: Final = Path(__file__).parents[2]
_POLL_S: Final = 0.05


class ProcessFailedError(Exception):
    """A process ended or was not ready in time; the message quotes the end of its log."""


class Program(Struct, frozen=True, kw_only=True):
    """What to run, in `folder`. It answers on `address` once `is_ready` says so; `log` gets its output."""

    name: str
    command: tuple[str, ...]
    address: str
    log: Path
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY


class Process:
    """A program as a child process. It may be used from any event loop, one at a time.

    It runs in a session of its own, so a Ctrl-C in the terminal reaches the launcher alone, and it dies with the
    launcher (see ``bound``). Start it from the main thread: the kernel takes the end of the starting thread for
    the end of the parent.
    """

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.address = program.address
        self.log = program.log
        self.program = program
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            ProcessFailedError: it is not running.
        """
        if self._popen is None or self._popen.poll() is not None:
            raise ProcessFailedError(f"{self.name} is not running")
        return self._popen.pid

    async def start(self, *, within_s: float = 60) -> None:
        """Start it and return when it is ready; the address and the data are those of the last run.

        Raises:
            ProcessFailedError: it ended, or was not ready within `within_s` seconds and has been killed.
        """
        self._popen = self._spawn()
        ready = False
        code: int | None = None
        try:
            async with asyncio.timeout(within_s):
                ready = await self._becomes_ready()
        except TimeoutError:
            pass
        finally:
            code = self._popen.poll()
            if not ready:
                await self.kill()
        if not ready:
            why = f"was not ready within {within_s} s" if code is None else f"ended with {code}"
            raise ProcessFailedError(f"{self.name} {why}; the end of {self._log_tail()}")

    async def wait(self) -> int:
        """The exit code, once it has ended; negative for a signal. -1 if it was never started."""
        while self._popen is not None:
            if (code := self._popen.poll()) is not None:
                return code
            await asyncio.sleep(_POLL_S)
        return -1

    async def stop(self, *, grace_s: float = 10) -> None:
        """Ask it to end, and kill it if it has not within `grace_s` seconds. Fine if it does not run."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)
        await self.wait()

    def suspend(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `suspend`."""
        self._signal(signal.SIGCONT)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        bound = [sys.executable, "-S", "-E", str(_BOUND), str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the launcher's own commands
                [*bound, *self.program.command],
                cwd=self.program.folder,
                env={**os.environ, **self.program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def _becomes_ready(self) -> bool:
        """False when it ends before."""
        while self._popen is not None and self._popen.poll() is None:
            if await self.program.is_ready():
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self._popen is not None:
            self._popen.send_signal(number)  # does nothing once it has ended

    def _log_tail(self, lines: int = 15) -> str:
        tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"{self.log}:", *tail])
