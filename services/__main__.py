"""The one entry point: ``python -m services <name>``."""

import argparse
import asyncio
import importlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from socket import socket
from types import FrameType, ModuleType
from typing import Annotated

import uvicorn
from aiokafka.errors import KafkaError
from msgspec import Meta, Struct

from libs import settings, telemetry, topics
from libs.clients import check_brokers, outlive_resets
from libs.lifecycle import Lifecycle, taking_leave

log = logging.getLogger("services")

SERVICES = ("ingress", "normalizer", "config", "trigger")


class TopicsSettings(Struct, frozen=True, kw_only=True):
    """What ``python -m services topics`` reads."""

    kafka: str
    partitions: Annotated[int, Meta(ge=1)] = 12
    replication: Annotated[int, Meta(ge=1)] = 1


def main() -> int:
    """Run one of the services until SIGTERM, or one of the operators' commands; the process's exit code."""
    commands = {"topics": create_topics, "rebuild-dedup": rebuild_claims, "reseal": reseal_secrets}
    parser = argparse.ArgumentParser(
        prog="python -m services", description="Run one of Inlet's services, or a command for its operators."
    )
    parser.add_argument("name", choices=[*SERVICES, *commands, "dead-letters"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of dead-letters; see dead-letters --help")
    given = parser.parse_args()
    name = given.name
    if given.arguments and name != "dead-letters":
        parser.error(f"{name} takes no arguments")
    try:
        if name == "dead-letters":
            return resolve_dead_letters(given.arguments)
        return commands[name]() if name in commands else serve(name)
    except settings.SettingsError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def create_topics() -> int:
    """Create the topics that do not exist."""
    wanted = settings.read(TopicsSettings)
    check_brokers(wanted.kafka)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is said below, once
    try:
        asyncio.run(topics.ensure_topics(wanted.kafka, partitions=wanted.partitions, replication=wanted.replication))
    except (KafkaError, OSError) as error:
        sys.stderr.write(f"topics: Kafka at INLET_KAFKA={wanted.kafka} does not create them: {error}\n")
        return 1
    return 0


def rebuild_claims() -> int:
    """Restore the claims that Redis has lost from the events of the last window."""
    rebuild = _installed("services.normalizer.rebuild")
    wanted = settings.read(rebuild.Settings)
    check_brokers(wanted.kafka)
    try:
        asyncio.run(rebuild.rebuild(wanted, lambda line: sys.stderr.write(f"{line}\n")))
    except rebuild.RebuildError as error:
        sys.stderr.write(f"rebuild-dedup: {error}\n")
        return 1
    return 0


def reseal_secrets() -> int:
    """Seal all secrets with the first master key, until no other is needed."""
    command = _installed("services.config.reseal")
    wanted = settings.read(command.Settings)
    check_brokers(wanted.kafka)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is said below, once
    try:
        asyncio.run(command.reseal(wanted, lambda line: sys.stderr.write(f"{line}\n")))
    except command.ResealError as error:
        sys.stderr.write(f"reseal: {error}\n")
        return 1
    return 0


def resolve_dead_letters(arguments: Sequence[str]) -> int:
    """List, inspect, replay or discard dead letters."""
    command = _installed("services.config.dead_letters.command")
    code: int = command.main(arguments)
    return code


def serve(name: str) -> int:
    """Serve the application that ``services.<name>.app.build`` wires, until it stops or is told to."""
    module = _installed(f"services.{name}.app")
    chosen = settings.read(module.Settings)
    check_brokers(chosen.kafka)
    telemetry.configure_logging(chosen.log_format)
    for given, meant in settings.misspelt(module.Settings):
        log.warning("%s is no setting, and nothing reads it: is %s meant?", given, meant)
    service = module.build(chosen)
    os.umask(0o077)  # what it writes, such as an SQLite file, is for its user alone
    outlive_resets()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each connection is a file, and often 1,024 are allowed
    # The server stops gracefully at these and then raises them again, which would replace the exit code.
    signal.signal(signal.SIGTERM, _ignore)
    signal.signal(signal.SIGINT, _ignore)
    configuration = uvicorn.Config(
        taking_leave(service),
        host=chosen.host,
        port=chosen.port,
        http=module.http_protocol(chosen) if hasattr(module, "http_protocol") else "httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=bool(chosen.trusted_proxies),
        forwarded_allow_ips=chosen.trusted_proxies,
        server_header=False,
        date_header=False,
        # Longer than proxies keep theirs: one that this end closes first costs the proxy's next sender a 502.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )
    drain_s = chosen.drain_s if isinstance(chosen, settings.ServerSettings) else 0
    _Server(configuration, service.lifecycle, drain_s).run()
    return 0 if service.lifecycle.alive else 1


def _installed(module: str) -> ModuleType:
    """A module of a service. A machine may have what one service needs, and no more.

    Raises:
        SettingsError: it has what another one needs.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        service = module.split(".")[1]
        raise settings.SettingsError(f"not installed here ({error}): it needs requirements/{service}.txt") from error


class _Server(uvicorn.Server):
    """A server that says where it serves, once it does, and that goes on for `drain_s` seconds after SIGTERM.

    It stops at once at a second signal, at SIGINT, and if the process has failed.
    """

    def __init__(self, configuration: uvicorn.Config, lifecycle: Lifecycle, drain_s: float) -> None:
        super().__init__(configuration)
        self._lifecycle = lifecycle
        self._drain_s = drain_s
        self._hurry = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # it has said why
            log.critical("nothing is served: if the address is taken, INLET_HOST and INLET_PORT choose another")
            raise
        log.info("serving http://%s:%d", self.config.host, self.config.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self.should_exit or not self._lifecycle.alive:
            self._hurry.set()
        super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        await super().main_loop()
        self._lifecycle.leaving = True
        if self._drain_s and not self._hurry.is_set():
            log.info("told to stop: not ready any more, and serving for another %g s", self._drain_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._drain_s):
                    await self._hurry.wait()
        log.info("stopping")
        self._lifecycle.stopping.set()


def _ignore(_signal: int, _frame: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
