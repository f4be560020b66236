"""The short form of ``make chaos ROLLING=1``: every process is restarted under load, and no sender is told of it."""

from pathlib import Path

from tests.chaos.balancing import balanced
from tests.chaos.cluster import REPLICAS, running_cluster
from tests.chaos.injections import rolling_plan
from tests.chaos.report import failures, histories, markdown, passed
from tests.chaos.run import run
from tests.conftest import or_skip

SEED = 1
PER_S = 60.0


async def test_a_rolling_restart_of_every_service_fails_no_request_and_loses_nothing(tmp_path: Path) -> None:
    injections = rolling_plan()
    assert {one.target for one in injections} == REPLICAS.keys()
    said: list[str] = []
    async with (
        or_skip(running_cluster(tmp_path, SEED, said.append, {"INLET_DRAIN_S": "1"})) as cluster,
        balanced(cluster.addresses("ingress")) as turns,
    ):
        result = await run(cluster, injections, SEED, said.append, PER_S, turns)

    told = "\n".join([*said, markdown(result), *histories(result, injections)])
    assert failures(result) == [], told
    assert passed(result, len(injections)), told
    assert result.exits == {}, told
    assert sum(outcome.statuses[200] for outcome in result.outcomes) > 0
