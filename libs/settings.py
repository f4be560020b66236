"""Settings: a frozen struct per service, read once from a mapping of ``INLET_*`` names to strings."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

_PREFIX: Final = "INLET_"
_AS_GOOD_AS_EQUAL: Final = 0.85

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

    def __repr__(self) -> str:
        """Without values, of which some are secrets."""
        return f"{type(self).__name__}(...)"


class ServerSettings(ServiceSettings, frozen=True, kw_only=True):
    """What services read that others send requests to."""

    # From SIGTERM on, how long it is still served, and not ready, so that load balancers send elsewhere.
    drain_s: Annotated[float, Meta(ge=0)] = 5


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
        name = _name_of(field)
        if name in mapping:
            try:
                values[field.name] = msgspec.convert(mapping[name], field.type, strict=False)
            except msgspec.ValidationError as error:
                faults.append(f"{name}: {error}")
        elif field.required:
            faults.append(f"{name} is not set")
    if faults:
        faults += [f"{given} is set: is {meant} meant?" for given, meant in misspelt(kind, mapping)]
        raise SettingsError("; ".join(faults))
    return kind(**values)


def misspelt(kind: type[Struct], environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """What is set and no setting, with the setting of `kind` that is not set and almost has this name.

    Others may be settings of other services, which often share an environment.
    """
    mapping = os.environ if environment is None else environment
    names = {_name_of(field) for field in fields(kind)}
    for given in mapping:
        if given.startswith(_PREFIX) and given not in names:
            yield from (
                (given, meant) for meant in get_close_matches(given, names - mapping.keys(), 1, _AS_GOOD_AS_EQUAL)
            )


def _name_of(field: FieldInfo) -> str:
    return f"{_PREFIX}{field.encode_name.upper()}"
