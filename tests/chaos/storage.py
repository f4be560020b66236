"""Faults inside the memory and on the disks of Redis and Kafka; each is put right again before it returns.

Each raises TimeoutError if it does no harm: a fault that nobody feels proves nothing. What ends because it cannot write
is started again, as whatever runs a broker would once there is room.
"""

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from deploy.local.process import Process, ProcessFailedError
from tests.chaos.cluster import Cluster
from tests.eventually import eventually

HAVE_DISKS: Final = ("kafka", "redis")
_DISK_BYTES: Final = 512 * 1024 * 1024
_CHUNK: Final = bytes(64 * 1024)
_FELT_WITHIN_S: Final = 20
_KEY: Final = "chaos"


async def fill_memory(cluster: Cluster, hold_s: float) -> None:
    """Let Redis reach its `maxmemory`: it evicts nothing, and refuses whatever needs more (OOM)."""
    async with Redis.from_url(cluster.redis.address) as client:
        await client.config_set("maxmemory", 1)
        try:
            await _refuses_for(client, hold_s)
        finally:
            await client.config_set("maxmemory", 0)


async def fail_snapshots(cluster: Cluster, hold_s: float) -> None:
    """Let Redis fail to save its data, in place of which a folder is: it refuses every write (MISCONF)."""
    in_the_way = cluster.state / "redis" / "dump.rdb"
    async with Redis.from_url(cluster.redis.address) as client:

        async def is_saved() -> bool:
            found = await client.info("persistence")
            return not found["rdb_bgsave_in_progress"] and found["rdb_last_bgsave_status"] == "ok"

        in_the_way.unlink(missing_ok=True)
        in_the_way.mkdir()
        await client.config_set("save", "3600 1000000")
        await client.bgsave()
        try:
            await _refuses_for(client, hold_s)
        finally:
            in_the_way.rmdir()
            await client.bgsave()
            await eventually(is_saved, said="the snapshot failed again")
            await client.config_set("save", "")


async def restore_old(cluster: Cluster, hold_s: float) -> None:
    """Start Redis again with the data of a while ago."""
    data, old = cluster.state / "redis", cluster.state / "redis-old"
    await asyncio.to_thread(_copy, data, old)
    await asyncio.sleep(hold_s)
    await cluster.kill(cluster.redis)
    await asyncio.to_thread(_copy, old, data)
    await cluster.revive(cluster.redis)


async def fail_writes(cluster: Cluster, process: Process, hold_s: float) -> None:
    """No file of this process may grow any more: writes fail with EFBIG, by a limit of the kernel, and it ends."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
    await _ends(cluster, process, hold_s)
    await cluster.revive(process)


async def fill_disk(cluster: Cluster, process: Process, hold_s: float) -> None:
    """Fill the file system of this process's data, which has to be one of `disks`.

    Redis goes on, with the policy that is usual (`everysec`), and refuses every write; Kafka ends.
    """
    filler = cluster.state / process.name / "filler"
    if not filler.parent.is_mount():
        raise ProcessFailedError(f"{filler.parent} is no disk of its own")
    try:
        if process is cluster.redis:
            await _fill_disk_of_redis(cluster, filler, hold_s)
        else:
            await asyncio.to_thread(_fill, filler)
            await _ends(cluster, process, hold_s)
            filler.unlink()
            await cluster.revive(process)
    finally:
        filler.unlink(missing_ok=True)


async def _fill_disk_of_redis(cluster: Cluster, filler: Path, hold_s: float) -> None:
    async with Redis.from_url(cluster.redis.address) as client:

        async def takes() -> bool:
            return not await _refuses(client)

        await client.config_set("appendfsync", "everysec")
        await asyncio.to_thread(_fill, filler)
        await _refuses_for(client, hold_s)
        await asyncio.to_thread(filler.unlink)
        await eventually(takes, within_s=_FELT_WITHIN_S, said="Redis has room and refuses writes")
        await client.config_set("appendfsync", "always")


async def _refuses_for(client: Redis, hold_s: float) -> None:
    await eventually(lambda: _refuses(client), within_s=_FELT_WITHIN_S, said="Redis still takes writes")
    await asyncio.sleep(hold_s)


async def _refuses(client: Redis) -> bool:
    try:
        await client.set(_KEY, "")
    except ResponseError:
        return True
    return False


async def _ends(cluster: Cluster, process: Process, hold_s: float) -> None:
    """Wait until it has ended by itself; it then stays down for `hold_s`."""
    async with asyncio.timeout(_FELT_WITHIN_S), Redis.from_url(cluster.redis.address) as client:
        if process is cluster.redis:  # without load nobody else writes to it
            with suppress(RedisError):
                await client.set(_KEY, "")
        cluster.note_exit(process, await process.wait())
    await asyncio.sleep(hold_s)


def _copy(source: Path, target: Path) -> None:
    for old in target.iterdir() if target.exists() else ():  # the folder may be a disk, and stays
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(source, target, dirs_exist_ok=True)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(_CHUNK):
            pass


@contextmanager
def disks(state: Path) -> Iterator[bool]:
    """Give Kafka and Redis a small disk each, in memory; False where this machine does not allow it (mount)."""
    with ExitStack() as stack:
        try:
            for name in HAVE_DISKS:
                stack.enter_context(_mounted(state / name))
        except (OSError, subprocess.CalledProcessError):
            stack.close()
            yield False
        else:
            yield True


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    size = f"size={_DISK_BYTES},mode=700,uid={os.getuid()}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "inlet-chaos", folder], check=True, capture_output=True)  # noqa: S603, S607 - the system's own
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True, capture_output=True)  # noqa: S603, S607 - likewise
