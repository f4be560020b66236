"""Settings: a frozen struct per service, read once from a mapping of ``INLET_*`` names to strings."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Bytes = Annotated[int, Meta(gt=0)]


class SettingsError(Exception):
    """One or more settings are missing or cannot be read; the message names each of them."""


class ServiceSettings(Struct, frozen=True, kw_only=True):
    """What every service reads."""

    kafka: str
    host: str = "127.0.0.1"
    port: Port
    log_format: Literal["text", "json"] = "text"
    # Addresses and networks of proxies whose X-Forwarded-For is believed, with commas.
    trusted_proxies: str = ""
    # Names this process among its replicas, for static group membership: a restart then disturbs no other.
    instance_id: str = ""


SettingsT = TypeVar("SettingsT", bound=Struct)


def read(kind: type[SettingsT], environment: Mapping[str, str] | None = None) -> SettingsT:
    """Read a settings struct; field ``redis`` comes from ``INLET_REDIS``. Values never appear in errors.

    Raises:
        SettingsError: names every missing and every unreadable setting at once.
    """
    mapping = os.environ if environment is None else environment
    values: dict[str, object] = {}
    faults: list[str] = []
    for field in fields(kind):
        name = f"INLET_{field.encode_name.upper()}"
        if name in mapping:
            try:
                values[field.name] = msgspec.convert(mapping[name], field.type, strict=False)
            except msgspec.ValidationError as error:
                faults.append(f"{name}: {error}")
        elif field.required:
            faults.append(f"{name} is not set")
    if faults:
        raise SettingsError("; ".join(faults))
    return kind(**values)
