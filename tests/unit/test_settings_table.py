"""The table of settings in the documentation is the one in the code."""

import re
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from deploy.local.settings import LocalSettings
from libs.settings import misspelt
from services.__main__ import TopicsSettings
from services.config.settings import Settings as ConfigSettings
from services.ingress.settings import Settings as IngressSettings
from services.normalizer.settings import Settings as NormalizerSettings
from services.trigger.settings import Settings as TriggerSettings

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
SERVICES: dict[str, type[Struct]] = {
    "ingress": IngressSettings,
    "config": ConfigSettings,
    "normalizer": NormalizerSettings,
    "trigger": TriggerSettings,
    "topics": TopicsSettings,
}


def test_every_setting_of_every_service_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([a-z, ]+) \|", PAGE, re.MULTILINE)
    documented = {
        (service, name)
        for name, services in rows
        for service in (SERVICES if services == "all" else services.split(", "))
    }
    assert documented >= {
        (service, field.encode_name.upper()) for service, kind in SERVICES.items() for field in fields(kind)
    }
    unknown = {
        (service, name)
        for service, name in documented
        if service != "topics" and name.lower() not in SERVICES[service].__struct_fields__
    }
    assert unknown == set()


def test_the_settings_of_make_run_are_named_too() -> None:
    assert [field.name for field in fields(LocalSettings) if f"`{field.name.upper()}`" not in PAGE] == []


def test_a_setting_of_one_service_is_not_taken_for_a_misspelt_one_of_another() -> None:
    every = {f"INLET_{field.encode_name.upper()}" for kind in SERVICES.values() for field in fields(kind)}
    for kind in SERVICES.values():
        for left_out in fields(kind):
            rest = every - {f"INLET_{left_out.encode_name.upper()}"}
            assert [*misspelt(kind, dict.fromkeys(rest, ""))] == [], left_out.name
