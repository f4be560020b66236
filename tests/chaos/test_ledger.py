"""The short form of ``make chaos``: what is cheap to break and has the most to lose."""

from pathlib import Path

from tests.chaos.cluster import running_cluster
from tests.chaos.history import NO_ANSWER
from tests.chaos.injections import Fault, Injection
from tests.chaos.load import Mode
from tests.chaos.report import failures, histories, passed
from tests.chaos.run import run
from tests.conftest import or_skip

SEED = 1
CHOSEN = (
    ("normalizer", Fault.KILL, Mode.STORM, False),
    ("trigger", Fault.RESET, Mode.STEADY, True),
    ("ingress", Fault.HALF_OPEN, Mode.STEADY, False),
    ("config", Fault.STALL, Mode.IDLE, True),
    ("redis", Fault.REFUSED, Mode.STORM, False),
    ("redis", Fault.LOSS, Mode.STEADY, False),
    ("redis", Fault.FULL_MEMORY, Mode.STEADY, False),
    ("normalizer", Fault.FREEZE, Mode.STEADY, False),
    ("kafka", Fault.KILL, Mode.STORM, False),
)


async def test_nothing_is_lost_doubled_suppressed_reordered_or_seen_too_early_whatever_breaks(tmp_path: Path) -> None:
    injections = [
        Injection(number=number, target=target, fault=fault, mode=mode, everywhere=everywhere)
        for number, (target, fault, mode, everywhere) in enumerate(CHOSEN)
    ]
    said: list[str] = []
    async with or_skip(running_cluster(tmp_path, SEED, said.append)) as cluster:
        result = await run(cluster, injections, SEED, said.append)

    told = "\n".join([f"seed {SEED}", *said, *histories(result, injections)])
    assert failures(result) == [], told
    assert passed(result, len(injections)), told
    statuses = {attempt.status for message in result.history.messages for attempt in message.attempts}
    assert {200, 204, 503} <= statuses <= {200, 204, 503, NO_ANSWER}  # all of it was put to the test
