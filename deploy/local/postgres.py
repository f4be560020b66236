"""PostgreSQL as a local process: the newest of the machine's own binaries. The tests run on it; `make run` does not."""

import asyncio
import os
import pwd
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import NullPool, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, ProcessFailedError, Program

SUPERUSER: Final = "postgres"
_DEBIAN: Final = Path("/usr/lib/postgresql")
_UNPRIVILEGED: Final = ("postgres", "nobody")
_INITDB: Final = ("--username", SUPERUSER, "--auth", "trust", "--no-locale", "--encoding", "UTF8", "--no-sync")

# Nothing has to outlive the machine. A crash of the server alone loses nothing.
SETTINGS: Final = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


async def postgres_process(state: Path, port: int) -> Process:
    """A PostgreSQL that keeps its data in ``state/postgres``; initialised, not started. It lets everybody in.

    Its address is the URL of the superuser. Root is not allowed to run it: then another user does, who must be able
    to reach `state`.

    Raises:
        OSError: there is no PostgreSQL on this machine, or no user to run it as.
        ProcessFailedError: the data cannot be initialised.
    """
    binaries, data = _binaries(), _folder(state)
    run = _as_its_user(data)
    if not (data / "PG_VERSION").exists():
        await _initialise((*run, str(binaries / "initdb"), *_INITDB, "--pgdata", str(data)))
    options = {**SETTINGS, "listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://{SUPERUSER}@{LOOPBACK}:{port}/postgres"
    return Process(
        Program(
            name="postgres",
            command=(*run, str(binaries / "postgres"), "-D", str(data), *arguments),
            address=url,
            log=state / "logs" / "postgres.log",
            is_ready=lambda: postgres_answers(url),
        )
    )


@asynccontextmanager
async def postgres_server(state: Path, port: int | None = None) -> AsyncIterator[Process]:
    """A running PostgreSQL, stopped at the end."""
    process = await postgres_process(state, port or free_port())
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def postgres_answers(url: str) -> bool:
    """True once it lets clients in, which is later than an open port."""
    try:
        async with postgres_session(url):
            return True
    except (DBAPIError, OSError):
        return False


@asynccontextmanager
async def postgres_session(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection for what cannot be done in a transaction, such as creating a database."""
    address = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"timeout": 2})
    async with engine.connect() as connection:
        yield connection


def _binaries() -> Path:
    releases = [path for path in _DEBIAN.glob("*") if path.name.isdecimal() and (path / "bin" / "initdb").exists()]
    if releases:
        return max(releases, key=lambda path: int(path.name)) / "bin"
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise FileNotFoundError(f"no PostgreSQL: initdb is neither on PATH nor in {_DEBIAN}/*/bin")


def _folder(state: Path) -> Path:
    data = state.resolve() / "postgres"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return data


def _as_its_user(data: Path) -> tuple[str, ...]:
    """What to put before a command so that it runs where it may, and still ends with its launcher."""
    if os.geteuid() != 0:
        return ()
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next((users[name] for name in _UNPRIVILEGED if name in users), None)
    if user is None or shutil.which("setpriv") is None:
        raise FileNotFoundError("root may not run PostgreSQL: setpriv and a user postgres or nobody are needed")
    os.chown(data, user.pw_uid, user.pw_gid)
    # The change of user undoes what `bound` has asked of the kernel.
    drop = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL")
    return ("env", f"--chdir={data}", *drop)


async def _initialise(command: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise ProcessFailedError(f"PostgreSQL's data could not be initialised\n{output.decode(errors='replace')}")
