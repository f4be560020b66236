"""What senders and load balancers see of an ingress that is told to stop."""

import asyncio
import os
import signal
import time
from pathlib import Path

from libs import topics
from tests.eventually import eventually
from tests.integration.ingress.serving import Ingress, serving
from tests.integration.ingress.test_faults import until_accepted
from tests.integration.ingress.wire import Reply, Wire, wire_to

LONG = {"INLET_DRAIN_S": "600"}
SHORT = {"INLET_DRAIN_S": "0.5"}


async def post(wire: Wire, integration_id: str) -> Reply:
    wire.head(integration_id, "Content-Length: 2")
    wire.writer.write(b"{}")
    return await wire.reply()


async def told_to_stop(ingress: Ingress) -> None:
    """Return once a load balancer would know."""
    os.kill(ingress.process.pid, signal.SIGTERM)

    async def is_not_ready() -> bool:
        answer = await ingress.http.get("/readyz")
        return answer.status_code == 503 and answer.json() == {"staying": False}

    await eventually(is_not_ready)


async def ended(ingress: Ingress, within_s: float) -> int:
    async with asyncio.timeout(within_s):
        return await ingress.process.wait()


async def test_an_ingress_that_leaves_is_not_ready_and_takes_everything_until_a_second_signal_ends_it(
    kafka: str, redis_url: str, tmp_path: Path
) -> None:
    await topics.ensure_topics(kafka)
    async with serving(kafka, redis_url, tmp_path, settings=LONG) as ingress:
        integration_id = await ingress.publish()
        await until_accepted(ingress, integration_id)
        async with wire_to(ingress.port) as kept, wire_to(ingress.port) as idle:
            before = [await post(wire, integration_id) for wire in (kept, idle)]
            assert [(reply.status, reply.headers.get("connection")) for reply in before] == [(200, None)] * 2

            await told_to_stop(ingress)
            reply = await post(kept, integration_id)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert await kept.is_closed()
            async with wire_to(ingress.port) as late:
                reply = await post(late, integration_id)
                assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert (await ingress.http.get("/healthz")).status_code == 200

            os.kill(ingress.process.pid, signal.SIGTERM)
            assert await idle.is_closed()
            assert await ended(ingress, within_s=60) == 0


async def test_an_ingress_that_leaves_is_gone_when_its_time_is_over(kafka: str, redis_url: str, tmp_path: Path) -> None:
    async with serving(kafka, redis_url, tmp_path, settings=SHORT) as ingress:
        since = time.monotonic()
        os.kill(ingress.process.pid, signal.SIGTERM)
        assert await ended(ingress, within_s=60) == 0
        assert time.monotonic() - since >= 0.5
        assert "serving for another 0.5 s" in ingress.log.read_text()


async def test_ctrl_c_waits_for_no_load_balancer(kafka: str, redis_url: str, tmp_path: Path) -> None:
    async with serving(kafka, redis_url, tmp_path, settings=LONG) as ingress:
        os.kill(ingress.process.pid, signal.SIGINT)
        assert await ended(ingress, within_s=60) == 0
