"""The local stack: its processes, its state folder, and ``make run`` seen from outside."""

import asyncio
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from jgo.maven import MavenContext
from msgspec import Struct
from msgspec.structs import asdict
from redis.asyncio import Redis

from deploy.local.demo import Admin, Demo, sign_in
from deploy.local.jars import Jar
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, ProcessFailedError, Program
from deploy.local.rest import request
from deploy.local.settings import LocalSettings, PortError, remembered_secrets
from deploy.local.stack import keep_running
from deploy.local.state import StateError, claimed, forget
from libs.topics import EVENTS, ensure_topics

REPOSITORY = Path(__file__).parents[2]


async def test_a_process_that_ends_before_it_is_ready_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = Process(program(tmp_path, "raise SystemExit('no broker')"))
    with pytest.raises(ProcessFailedError, match=r"(?s)probe ended with 1.*no broker"):
        await process.start()


async def test_a_process_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    process = Process(program(tmp_path, "import time; time.sleep(60)"))
    with pytest.raises(ProcessFailedError, match="not ready within"):
        await process.start(within_s=0.5)
    assert await process.wait() == -signal.SIGKILL


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    process = Process(program(tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    await process.start()
    await process.stop(grace_s=0.2)
    assert await process.wait() == -signal.SIGKILL


async def test_a_process_that_dies_is_started_again_later_each_time_and_it_is_said(tmp_path: Path) -> None:
    process = Process(program(tmp_path))
    await process.start()
    said: list[str] = []
    supervisor = asyncio.create_task(keep_running(process, said.append))
    try:
        for lines in (2, 4):  # it ended, it is ready
            await process.kill()
            await until(lambda: len(said) == lines)  # noqa: B023 - it has come true before `lines` changes
    finally:
        supervisor.cancel()
        await process.stop()
    assert [line for line in said if "ended" in line] == [
        f"probe was ended by SIGKILL, see {process.log}; it is started again in 0.5 s",
        f"probe was ended by SIGKILL, see {process.log}; it is started again in 1 s",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
async def test_no_process_outlives_a_launcher_that_was_killed(tmp_path: Path) -> None:
    code = f"""if True:
        import asyncio, pathlib
        from deploy.local.redis import redis_server
        async def main():
            async with redis_server(pathlib.Path({str(tmp_path)!r})) as redis:
                print(redis.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())"""
    launcher = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout is not None
    pid = int(await launcher.stdout.readline())
    assert lives(pid)
    launcher.kill()
    await launcher.wait()
    await until(lambda: not lives(pid))


async def test_kafka_keeps_its_records_and_its_port_over_a_stop_and_a_kill(private_kafka: Process) -> None:
    bootstrap = private_kafka.address
    await ensure_topics(bootstrap, partitions=1)
    await produce(bootstrap, EVENTS, b"before the stop")
    await private_kafka.stop()
    await private_kafka.start()
    await produce(bootstrap, EVENTS, b"before the kill")
    await private_kafka.kill()
    await private_kafka.start()
    assert await consume(bootstrap, EVENTS, 2) == [b"before the stop", b"before the kill"]


async def test_kafka_creates_no_topic_by_itself(kafka: str, unique: str) -> None:
    with pytest.raises((KafkaError, TimeoutError)):
        async with asyncio.timeout(3):
            await produce(kafka, unique, b"x")


async def test_redis_keeps_a_claim_over_a_kill_and_never_evicts_one(private_redis: Process, unique: str) -> None:
    async with Redis.from_url(private_redis.address) as client:
        await client.set(unique, "1:3:7")
    await private_redis.kill()
    await private_redis.start()
    async with Redis.from_url(private_redis.address) as client:
        assert await client.get(unique) == b"1:3:7"
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_jar_that_is_not_the_locked_one_is_not_used(tmp_path: Path) -> None:
    artifact = MavenContext(repo_cache=tmp_path).create_dependency("org.example:broker:1").artifact
    kept = tmp_path / "org/example/broker/1/broker-1.jar"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"half of a jar")
    assert not Jar(artifact, sha256="0" * 64).is_kept()


def test_two_launchers_cannot_use_one_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "state"), pytest.raises(StateError, match="in use"), claimed(tmp_path / "state"):
        pass


def test_a_folder_that_is_not_inlets_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StateError, match="not Inlet's"), claimed(tmp_path):
        pass
    with pytest.raises(StateError, match="not Inlet's"):
        forget(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_the_state_is_forgotten_but_not_under_a_running_stack(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with claimed(state), pytest.raises(StateError, match="in use"):
        forget(state)
    forget(state)
    assert not state.exists()


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    assert remembered_secrets(tmp_path) == remembered_secrets(tmp_path)
    assert mode(tmp_path / "secrets.json") == 0o600


def test_every_port_that_is_taken_or_given_twice_is_named() -> None:
    with socket.create_server((LOOPBACK, free_port())) as listener:
        taken = listener.getsockname()[1]
        settings = LocalSettings(ingress_port=taken, config_port=taken, kafka_port=free_port())
        with pytest.raises(PortError) as error:
            settings.check_ports()
    assert f"port {taken} is taken" in str(error.value)
    assert "INLET_INGRESS_PORT" in str(error.value)
    assert "INLET_CONFIG_PORT" in str(error.value)
    assert "INLET_KAFKA_PORT" not in str(error.value)


async def test_a_taken_port_ends_make_run_before_anything_is_started(tmp_path: Path) -> None:
    settings = LocalSettings.on_free_ports(tmp_path / "state")
    with socket.create_server((LOOPBACK, settings.redis_port)), launched(settings, tmp_path) as run:
        assert run.process.wait(timeout=30) == 1
    assert f"port {settings.redis_port} is taken" in run.output()
    assert not (settings.state / "kafka").exists()


async def test_the_printed_curl_answers_ok_and_its_trigger_is_shown(stack: "Launched") -> None:
    words = shlex.split(stack.output().partition("\ncurl ")[2].partition("\n\n")[0])
    url, body = words[1], words[words.index("--data") + 1]
    assert url == stack.file().demo.url
    assert await send(url, body) == (200, b"OK")
    await until(lambda: "trigger  Demo: high priority <- Demo: complaints" in stack.output())
    assert await send(url, body) == (204, b"")


async def test_the_stack_file_with_the_password_is_its_owners_alone(stack: "Launched") -> None:
    assert mode(stack.settings.state / "stack.json") == 0o600
    assert stack.file().ingress == f"http://{LOOPBACK}:{stack.settings.ingress_port}"


def test_no_secret_is_in_the_arguments_of_a_process_where_everybody_can_read_it(stack: "Launched") -> None:
    secrets = msgspec.structs.astuple(remembered_secrets(stack.settings.state))
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (stack.process.pid, *stack.children().values())]
    assert len(commands) == 7
    assert not any(secret in command for secret in secrets for command in commands)


async def test_a_second_make_run_in_the_same_folder_is_refused(stack: "Launched", tmp_path: Path) -> None:
    with launched(stack.settings, tmp_path) as second:
        assert second.process.wait(timeout=30) == 1
    assert "is in use" in second.output()
    assert stack.file().demo.url


async def test_a_service_that_is_killed_is_started_again_and_it_is_said(stack: "Launched") -> None:
    os.kill(stack.children()["normalizer"], signal.SIGKILL)
    await until(
        lambda: re.search("normalizer was ended by SIGKILL(?s:.*)normalizer is ready", stack.output()) is not None
    )


async def test_ctrl_c_leaves_no_process_and_the_next_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with another password, and without the demo."""
    settings = LocalSettings.on_free_ports(tmp_path / "state")
    body = '{"complaint": {"id": "c-1", "priority": "high"}}'
    with launched(settings, tmp_path) as first:
        await first.ready()
        before, children = first.file(), first.children()
        assert await send(before.demo.url, body) == (200, b"OK")
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(timeout=60) == 0  # two graces of ten seconds, and time to spare
    assert children.keys() == {"kafka", "redis", "ingress", "config", "normalizer", "trigger"}
    assert not any(lives(pid) for pid in children.values())
    assert not (settings.state / "stack.json").exists()
    with launched(settings, tmp_path) as second:
        await second.ready()
        assert second.file() == before
        assert await send(before.demo.url, body) == (204, b"")
        admin = await sign_in(before.config, before.admin)
        assert admin is not None
        await admin.post(f"/api/v1/integrations/{before.demo.integration_id}/unpublish", {}, dict)
        change = msgspec.json.encode({"currentPassword": before.admin.password, "password": "correct horse battery"})
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {admin.token}"}
        address = f"{LOOPBACK}:{settings.config_port}"
        assert request(address, "PATCH", "/api/v1/me", change, headers)[0] == 204
    monkeypatch.setenv("INLET_DATABASE", "postgresql://nowhere")
    with launched(settings, tmp_path) as third:
        await third.ready()
        assert "does not use INLET_DATABASE" in third.output()
        assert f"{before.config}  (sign in with what you have set there;" in third.output()
        assert "The demo is gone, or not published." in third.output()
        assert (await send(before.demo.url, body))[0] == 404


class StackFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``stack.json`` as others rely on it."""

    ingress: str
    config: str
    kafka: str
    redis: str
    admin: Admin
    demo: Demo


class Launched(Struct, frozen=True, kw_only=True):
    """A ``make run`` in a process of its own."""

    process: subprocess.Popen[bytes]
    settings: LocalSettings
    out: Path

    def output(self) -> str:
        return self.out.read_text()

    def file(self) -> StackFile:
        return msgspec.json.decode((self.settings.state / "stack.json").read_bytes(), type=StackFile)

    async def ready(self) -> None:
        await until(lambda: "Triggers appear below" in self.output() or self.process.poll() is not None, within_s=90)
        assert self.process.poll() is None, self.output()

    def children(self) -> dict[str, int]:
        """The process ids of the stack, by name."""
        names = {"kafka.Kafka": "kafka", "redis-server": "redis"}
        names |= {f"services\0{one}": one for one in ("ingress", "config", "normalizer", "trigger")}
        found: dict[str, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int(stat_of(folder)[1])
                command = (folder / "cmdline").read_text(errors="replace")  # another's may have any bytes
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self.process.pid:
                found |= {name: int(folder.name) for part, name in names.items() if part in command}
        return found


@contextmanager
def launched(settings: LocalSettings, folder: Path) -> Iterator[Launched]:
    """What ``make run`` starts, with its output in ``folder/output``; killed at the end if it still runs."""
    chosen = {f"INLET_{name.upper()}": str(value) for name, value in asdict(settings).items()}
    out = folder / "output"
    with out.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local"],
            cwd=REPOSITORY,
            env=os.environ | chosen,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Launched(process=process, settings=settings, out=out)
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Launched]:
    folder = tmp_path_factory.mktemp("stack")
    with launched(LocalSettings.on_free_ports(folder / "state"), folder) as run:
        await run.ready()
        yield run


async def send(url: str, body: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"}
    return await asyncio.to_thread(request, parts.netloc, "POST", parts.path, body.encode(), headers)


def program(tmp_path: Path, python: str = "") -> Program:
    """A process that runs some Python and is ready when it has come to the end of it."""
    ready = tmp_path / "ready"

    async def is_ready() -> bool:
        return ready.exists()

    code = f"{python}\nopen({str(ready)!r}, 'w').close()\nimport time; time.sleep(60)"
    return Program(
        name="probe",
        command=(sys.executable, "-c", code),
        address="nowhere",
        log=tmp_path / "logs" / "probe.log",
        is_ready=is_ready,
    )


async def until(holds: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)


def lives(pid: int) -> bool:
    """A process that has ended but that nobody has waited for, a zombie, does not."""
    try:
        return stat_of(Path(f"/proc/{pid}"))[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stat_of(process: Path) -> list[str]:
    """What ``/proc/<pid>/stat`` says after the name of the program: the state, the parent, and so on."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return [(await consumer.getone()).value for _ in range(count)]
