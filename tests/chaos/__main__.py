"""``make chaos``: break everything, one thing after the other, and compare what was said with what is there."""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import uvloop

from deploy.local.process import REPOSITORY
from tests.chaos.balancing import balanced
from tests.chaos.cluster import running_cluster
from tests.chaos.injections import Fault, Injection, plan, rolling_plan, storage_plan
from tests.chaos.report import histories, markdown, passed
from tests.chaos.run import Result, run
from tests.chaos.storage import disks


def main() -> int:
    """Run until done; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="draws the order (default: any)")
    parser.add_argument("--count", type=int, default=200, help="how many injections")
    parser.add_argument("--report", type=Path, help="where the table goes too")
    parser.add_argument("--storage", action="store_true", help="memory and disks of Redis and Kafka instead")
    parser.add_argument("--rolling", action="store_true", help="restart every process, one after the other, instead")
    parser.add_argument("--unnamed", action="store_true", help="with --rolling: without INLET_INSTANCE_ID")
    parser.add_argument(
        "--previous", type=Path, default=REPOSITORY, help="with --rolling: from the release in this folder"
    )
    parser.add_argument("--only", default="", help="only injections whose description has this text")
    chosen = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="inlet-chaos-"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    planned = _planned(chosen)
    with ExitStack() as stack:
        injections = [one for one in planned if chosen.only in str(one)]
        if chosen.storage and not stack.enter_context(disks(state)):
            say("no disk is filled: this machine does not allow to mount one")
            injections = [one for one in injections if one.fault is not Fault.FULL_DISK]
        say(f"seed {chosen.seed}, {len(injections)} injections")
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        result = runner.run((_roll if chosen.rolling else _run)(injections, chosen, state))
    report = markdown(result)
    sys.stdout.write(f"\n{report}\n")
    if chosen.report is not None:
        chosen.report.write_text(report)
    if passed(result, len(injections)):
        shutil.rmtree(state)
        say("everything held")
        return 0
    for line in histories(result, planned):
        sys.stdout.write(f"{line}\n")
    kept = "logs" if chosen.storage else "logs, and the data of Kafka and Redis,"
    say(f"FAILED; seed {chosen.seed}; the {kept} are in {state}")
    return 1


def _planned(chosen: argparse.Namespace) -> list[Injection]:
    if chosen.rolling:
        return rolling_plan()
    return storage_plan(chosen.seed) if chosen.storage else plan(chosen.seed, chosen.count)


async def _run(injections: list[Injection], chosen: argparse.Namespace, state: Path) -> Result:
    async with running_cluster(state, chosen.seed, say) as cluster:
        return await run(cluster, injections, chosen.seed, say)


async def _roll(injections: list[Injection], chosen: argparse.Namespace, state: Path) -> Result:
    settings = {"INLET_DRAIN_S": "5"} | ({"INLET_INSTANCE_ID": ""} if chosen.unnamed else {})
    async with (
        running_cluster(state, chosen.seed, say, settings, chosen.previous) as cluster,
        balanced(cluster.addresses("ingress")) as turns,
    ):
        return await run(cluster, injections, chosen.seed, say, turns=turns)


def say(text: str) -> None:
    """A line with the time."""
    sys.stdout.write(f"{datetime.now().astimezone():%H:%M:%S}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
