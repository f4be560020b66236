"""The whole product on loopback: Kafka, Redis and the four services, started in order and stopped in reverse.

``make run`` and the end-to-end tests both run it.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploy.local.demo import Admin
from deploy.local.kafka import kafka_process
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process, ProcessFailedError, Program
from deploy.local.redis import redis_process
from deploy.local.rest import is_ready
from deploy.local.settings import LocalSettings, remembered_secrets
from libs.topics import ensure_topics

Say = Callable[[str], None]

_ADMIN_EMAIL: Final = "admin@inlet.local"
_FIRST_DELAY_S: Final = 0.5
_LONGEST_DELAY_S: Final = 30.0
_STABLE_S: Final = 60.0


class Stack(Struct, frozen=True, kw_only=True):
    """Every process can be stopped, killed and started again on its own, on the same port and data.

    `services` has ``ingress``, ``config``, ``normalizer`` and ``trigger``; their addresses are ``host:port``.
    """

    kafka: Process
    redis: Process
    services: dict[str, Process]
    admin: Admin

    @property
    def processes(self) -> list[Process]:
        return [self.kafka, self.redis, *self.services.values()]

    def url(self, service: str) -> str:
        return f"http://{self.services[service].address}"

    def replica(self, service: str) -> Process:
        """One more process of a service, on a free port. Whoever asks for it starts and stops it.

        It has no instance id, so that it leaves its group when it stops and not when its session is over.
        """
        first, port = self.services[service].program, free_port()
        address = f"{LOOPBACK}:{port}"
        return Process(
            replace(
                first,
                address=address,
                log=first.log.with_name(f"{service}-{port}.log"),
                is_ready=lambda: is_ready(address),
                environment={**first.environment, "INLET_PORT": str(port), "INLET_INSTANCE_ID": ""},
            )
        )


@asynccontextmanager
async def running_stack(settings: LocalSettings, say: Say = lambda _: None) -> AsyncIterator[Stack]:
    """The stack once everything is ready; stopped at the end, also when it fails to start.

    Raises:
        ProcessFailedError: something ended or was not ready in time.
        OSError: Kafka's jars or a redis-server cannot be had.
    """
    stack = await _prepared(settings)
    services = stack.services.values()
    ignored = {name for service in services for name in service.program.environment} & os.environ.keys()
    if ignored:
        say(f"the local stack chooses for itself and does not use {', '.join(sorted(ignored))}")
    try:
        await asyncio.gather(_start(stack.kafka, say), _start(stack.redis, say))
        await ensure_topics(stack.kafka.address)
        await asyncio.gather(*(_start(service, say) for service in services))
        yield stack
    finally:
        await asyncio.gather(*(service.stop() for service in services))
        await asyncio.gather(stack.kafka.stop(), stack.redis.stop())


async def keep_running(process: Process, say: Say) -> None:
    """Start the process again whenever it ends, later each time unless it had been stable. Never returns."""
    delay_s = _FIRST_DELAY_S
    while True:
        since = time.monotonic()
        code = await process.wait()
        if time.monotonic() - since > _STABLE_S:
            delay_s = _FIRST_DELAY_S
        say(f"{process.name} {_how_it_ended(code)}, see {process.log}; it is started again in {delay_s:g} s")
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        try:
            await _start(process, say)
        except ProcessFailedError as error:
            say(str(error))


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


async def _start(process: Process, say: Say) -> None:
    since = time.monotonic()
    await process.start()
    say(f"{process.name} is ready at {process.address} ({time.monotonic() - since:.1f} s)")


async def _prepared(settings: LocalSettings) -> Stack:
    state = settings.state
    kafka = await kafka_process(state, settings.kafka_port)
    redis = redis_process(state, settings.redis_port)
    secrets = remembered_secrets(state)
    admin = Admin(email=_ADMIN_EMAIL, password=secrets.admin_password)
    common = {"INLET_KAFKA": kafka.address, "INLET_REDIS": redis.address}
    sealing = {"INLET_MASTER_KEY": secrets.master_key}
    config = {
        "INLET_DATABASE": f"sqlite:///{state.resolve() / 'inlet.db'}",
        "INLET_ADMIN_EMAIL": admin.email,
        "INLET_ADMIN_PASSWORD": admin.password,
        "INLET_INGRESS_URL": f"http://{LOOPBACK}:{settings.ingress_port}",
        "INLET_CONFIG_URL": f"http://{LOOPBACK}:{settings.config_port}",
    }
    services = [
        _service("ingress", settings.ingress_port, settings, common | sealing),
        _service("config", settings.config_port, settings, common | sealing | config),
        _service("normalizer", settings.normalizer_port, settings, common),
        _service("trigger", settings.trigger_port, settings, common),
    ]
    return Stack(kafka=kafka, redis=redis, services={one.name: one for one in services}, admin=admin)


def _service(name: str, port: int, settings: LocalSettings, environment: dict[str, str]) -> Process:
    address = f"{LOOPBACK}:{port}"
    own = {"INLET_HOST": LOOPBACK, "INLET_PORT": str(port), "INLET_INSTANCE_ID": f"{name}-0", "INLET_DRAIN_S": "0"}
    return Process(
        Program(
            name=name,
            command=(sys.executable, "-m", "services", name),
            address=address,
            log=settings.state / "logs" / f"{name}.log",
            is_ready=lambda: is_ready(address),
            environment=environment | own,
        )
    )
