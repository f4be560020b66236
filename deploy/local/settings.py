"""What the operator of a local stack may choose, and the secrets that are made for them once."""

import base64
import secrets
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from deploy.local.ports import free_ports, is_taken
from deploy.local.state import write_private
from libs.sealing import KEY_BYTES
from libs.settings import Port

_PORTS = ("ingress_port", "config_port", "normalizer_port", "trigger_port", "kafka_port", "redis_port")


class PortError(Exception):
    """Ports that cannot be listened on; the message names their settings."""


class LocalSettings(Struct, frozen=True, kw_only=True):
    """Where the stack keeps its state and what it listens on; read from ``INLET_<FIELD>``."""

    state_dir: str = ".local"
    ingress_port: Port = 8080
    config_port: Port = 8081
    normalizer_port: Port = 8082
    trigger_port: Port = 8083
    kafka_port: Port = 9092
    redis_port: Port = 6379

    @classmethod
    def on_free_ports(cls, state: Path) -> Self:
        """A stack of its own, beside any other."""
        return cls(state_dir=str(state), **dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True)))

    @property
    def state(self) -> Path:
        return Path(self.state_dir)

    def check_ports(self) -> None:
        """Find what would fail only after half of the stack has started.

        Raises:
            PortError: a port is given twice, or something listens on it.
        """
        owners: dict[int, str] = {}
        faults: list[str] = []
        for field in _PORTS:
            name, port = f"INLET_{field.upper()}", getattr(self, field)
            if port in owners:
                faults.append(f"port {port} is given twice: {owners[port]} and {name}")
            elif is_taken(port):
                faults.append(f"port {port} is taken: stop what listens there, or set {name} to a free port")
            owners.setdefault(port, name)
        if faults:
            raise PortError("\n".join(faults))


class Secrets(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is made once for a state folder."""

    admin_password: str
    master_key: str


def remembered_secrets(state: Path) -> Secrets:
    """The secrets of this state folder, made on first use and kept readable by its owner only."""
    path = state / "secrets.json"
    made = {
        "adminPassword": secrets.token_urlsafe(12),
        "masterKey": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
    }
    known = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
    if made.keys() - known.keys():  # none yet, or those of a release that had fewer
        write_private(path, msgspec.json.encode({**made, **known}))
    return msgspec.json.decode(path.read_bytes(), type=Secrets)
