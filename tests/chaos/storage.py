"""Faults inside the memory and on the disks of Redis and Kafka; each is put right again before it returns.

What loses its process is started again, as whatever runs a broker would once there is room.
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

from deploy.local.process import Process, ProcessFailedError
from tests.chaos.cluster import Cluster
from tests.eventually import eventually

HAVE_DISKS: Final = ("kafka", "redis")
_DISK_BYTES: Final = 512 * 1024 * 1024
_CHUNK: Final = bytes(64 * 1024)
_DOWN_S: Final = 1.0


async def fill_memory(cluster: Cluster, hold_s: float) -> None:
    """Let Redis reach its `maxmemory`: it evicts nothing, and refuses whatever needs more."""
    async with Redis.from_url(cluster.redis.address) as client:
        await client.config_set("maxmemory", 1)
        try:
            await asyncio.sleep(hold_s)
        finally:
            await client.config_set("maxmemory", 0)


async def fail_snapshots(cluster: Cluster, hold_s: float) -> None:
    """Let Redis fail to save its data, in place of which a folder is: it refuses every write (MISCONF)."""
    in_the_way = cluster.state / "redis" / "dump.rdb"
    async with Redis.from_url(cluster.redis.address) as client:

        async def saved(status: str) -> bool:
            found = await client.info("persistence")
            return not found["rdb_bgsave_in_progress"] and found["rdb_last_bgsave_status"] == status

        in_the_way.unlink(missing_ok=True)
        in_the_way.mkdir()
        await client.config_set("save", "3600 1000000")
        await client.bgsave()
        try:
            await eventually(lambda: saved("err"), said="the snapshot did not fail")
            await asyncio.sleep(hold_s)
        finally:
            in_the_way.rmdir()
            await client.bgsave()
            await eventually(lambda: saved("ok"), said="the snapshot failed again")
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
    """No file of this process may grow any more: writes fail with EFBIG, by a limit of the kernel."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
    await _hold_and_start_again(cluster, process, hold_s)


async def fill_disk(cluster: Cluster, process: Process, hold_s: float) -> None:
    """Fill the file system of this process's data, which has to be one of `disks`."""
    folder = cluster.state / process.name
    if not folder.is_mount():
        raise ProcessFailedError(f"{folder} is no disk of its own")
    filler = folder / "filler"
    try:
        await asyncio.to_thread(_fill, filler)
        await _hold_and_start_again(cluster, process, hold_s, filler)
    finally:
        filler.unlink(missing_ok=True)


async def _hold_and_start_again(cluster: Cluster, process: Process, hold_s: float, filler: Path | None = None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(hold_s):
            await process.wait()
            await asyncio.sleep(_DOWN_S)
    await cluster.kill(process)
    if filler is not None:
        await asyncio.to_thread(filler.unlink)
    await cluster.revive(process)


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
