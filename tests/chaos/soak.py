"""``make soak``: a steady rate for a long time, now and then a fault, and what every process holds meanwhile."""

import argparse
import asyncio
import logging
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from deploy.local.process import ProcessFailedError
from tests.chaos.__main__ import say
from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.injections import soak_plan
from tests.chaos.report import histories, markdown, passed
from tests.chaos.run import Result, run

_PER_S: Final = 60.0
_EVERY_S: Final = 3.0
_PROC: Final = Path("/proc")
_MIB: Final = 1024 * 1024
# What may grow from the second quarter of the samples to the last: noise, and no more.
_MEMORY_SLACK: Final = (1.10, 8 * _MIB)
_COUNT_SLACK: Final = (1.10, 4)
# Kafka's heap fills up to its limit before it is collected, and Redis keeps each claim for seven days.
_FILL_UP: Final = ("kafka", "redis")


class Sample(NamedTuple):
    """What a process holds: resident memory in bytes, open files, threads, and connections."""

    memory: int
    files: int
    threads: int
    connections: int


class Growth(NamedTuple):
    """A number of a process, as medians of the second and of the last quarter of its samples."""

    process: str
    name: str
    before: float
    after: float

    @property
    def is_flat(self) -> bool:
        if self.name == "memory" and self.process in _FILL_UP:
            return True
        factor, more = _MEMORY_SLACK if self.name == "memory" else _COUNT_SLACK
        return self.after <= max(self.before * factor, self.before + more)


def growths(samples: Mapping[str, Sequence[Sample]]) -> Iterator[Growth]:
    """Compare the second quarter, in which everything is warm, with the last."""
    for process, some in samples.items():
        quarter = len(some) // 4
        if not quarter:  # the run ended at once, and says why
            continue
        for place, name in enumerate(Sample._fields):
            values = [sample[place] for sample in some]
            before, after = values[quarter : 2 * quarter], values[-quarter:]
            yield Growth(process, name, statistics.median(before), statistics.median(after))


def sample_of(pid: int) -> Sample:
    """What the kernel says of a process."""
    process = _PROC / str(pid)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    links: list[str] = []
    for file in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            links.append(str(file.readlink()))
    connections = sum(link.startswith("socket:") for link in links)
    return Sample(int(status["VmRSS"].split()[0]) * 1024, len(links), int(status["Threads"]), connections)


async def _watch(cluster: Cluster, samples: dict[str, list[Sample]]) -> None:
    processes = [replica.process for replica in cluster.replicas] + [cluster.kafka, cluster.redis]
    while True:
        for process in processes:
            with suppress(ProcessFailedError, FileNotFoundError):  # it has ended, which fails the run anyway
                samples[process.name].append(await asyncio.to_thread(sample_of, process.pid))
        await asyncio.sleep(_EVERY_S)


async def _soak(state: Path, seed: int, duration_s: float, samples: dict[str, list[Sample]]) -> Result:
    async with running_cluster(state, seed, say) as cluster:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(cluster, samples))
            result = await run(cluster, soak_plan(duration_s), seed, say, _PER_S)
            watching.cancel()
        return result


def _table(found: Sequence[Growth]) -> Iterator[str]:
    """A row for each process: what it held in the second quarter of the time, and in the last."""
    yield "| process | memory, MiB | open files | threads | connections |"
    yield "|---|---|---|---|---|"
    for process in dict.fromkeys(one.process for one in found):
        cells = [_cell(one) for one in found if one.process == process]
        yield f"| {' | '.join([process, *cells])} |"


def _cell(one: Growth) -> str:
    unit = _MIB if one.name == "memory" else 1
    return f"{one.before / unit:.0f}, {one.after / unit:.0f}{'' if one.is_flat else ' **grew**'}"


def main() -> int:
    """Run until done; 0 if nothing grew and everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws what is sent")
    parser.add_argument("--duration", type=float, default=1800, help="seconds, about")
    parser.add_argument("--report", type=Path, help="where the tables go too")
    chosen = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="inlet-soak-"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    samples: dict[str, list[Sample]] = defaultdict(list)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_soak(state, chosen.seed, chosen.duration, samples))
    found = list(growths(samples))
    report = "\n".join([*_table(found), "", markdown(result)])
    sys.stdout.write(f"\n{report}\n")
    if chosen.report is not None:
        chosen.report.write_text(report)
    planned = soak_plan(chosen.duration)
    if all(one.is_flat for one in found) and passed(result, len(planned)) and not result.exits:
        shutil.rmtree(state)
        say("nothing grew, and everything held")
        return 0
    sys.stdout.writelines(f"{line}\n" for line in histories(result, planned))
    say(f"FAILED; seed {chosen.seed}; the logs are in {state}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
