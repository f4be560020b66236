"""``make chaos``: break everything, one thing after the other, and compare what was said with what is there."""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import uvloop

from tests.chaos.cluster import running_cluster
from tests.chaos.injections import Injection, plan
from tests.chaos.report import histories, markdown, passed
from tests.chaos.run import Result, run


def main() -> int:
    """Run until done; 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="draws the order (default: any)")
    parser.add_argument("--count", type=int, default=200, help="how many injections")
    parser.add_argument("--report", type=Path, help="where the table goes too")
    parser.add_argument("--only", default="", help="only injections whose description has this text")
    chosen = parser.parse_args()
    _say(f"seed {chosen.seed}, {chosen.count} injections")
    state = Path(tempfile.mkdtemp(prefix="inlet-chaos-"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    injections = [one for one in plan(chosen.seed, chosen.count) if chosen.only in str(one)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_run(injections, chosen.seed, state))
    report = markdown(result)
    sys.stdout.write(f"\n{report}\n")
    if chosen.report is not None:
        chosen.report.write_text(report)
    if passed(result, len(injections)):
        shutil.rmtree(state)
        _say("everything held")
        return 0
    for line in histories(result, plan(chosen.seed, chosen.count)):
        sys.stdout.write(f"{line}\n")
    _say(f"FAILED; seed {chosen.seed}; the logs, and the data of Kafka and Redis, are in {state}")
    return 1


async def _run(injections: list[Injection], seed: int, state: Path) -> Result:
    async with running_cluster(state, seed, _say) as cluster:
        return await run(cluster, injections, seed, _say)


def _say(text: str) -> None:
    sys.stdout.write(f"{datetime.now().astimezone():%H:%M:%S}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
