"""What is in the images, and what their containers may do."""

import re
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in COMPOSE.items() if "build" in service}


class Step(NamedTuple):
    instruction: str
    arguments: str


def dockerfile() -> list[Step]:
    text = re.sub(r"\\\n", "", (ROOT / "deploy/Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Step(*line.split(maxsplit=1)) for line in lines]


def arguments(instruction: str, steps: list[Step]) -> list[str]:
    return [step.arguments for step in steps if step.instruction == instruction]


STEPS = dockerfile()
SHIPPED = STEPS[max(index for index, step in enumerate(STEPS) if step.instruction == "FROM") :]


def test_a_service_runs_as_a_user_whose_number_is_not_that_of_root() -> None:
    *_, user = arguments("USER", SHIPPED)
    assert int(user) > 0
    assert SHIPPED.index(Step("USER", user)) < SHIPPED.index(Step("CMD", arguments("CMD", SHIPPED)[0]))


def test_an_image_has_its_service_with_what_that_needs_by_hash_and_nothing_else() -> None:
    assert {source for one in arguments("COPY", SHIPPED) for source in one.split()[:-1]} == {
        *("--from=build", "/venv", "libs"),
        *("services/__init__.py", "services/__main__.py", "services/${SERVICE}"),
    }
    installs = [one for run in arguments("RUN", STEPS) for one in run.split("&&") if " install " in one]
    assert len(installs) == 2
    assert all("--require-hashes -r /requirements/" in one for one in installs)
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    assert ignored == ["*", "!libs", "!requirements", "!services", "**/__pycache__"]


def test_no_secret_is_in_an_image_or_in_what_starts_it() -> None:
    named = {
        name for one in arguments("ENV", STEPS) + arguments("ARG", STEPS) for name in re.findall(r"(\w+)=?\S*", one)
    }
    assert named == {"SERVICE", "PATH", "PYTHONDONTWRITEBYTECODE", "INLET_HOST", "INLET_PORT"}
    given = {
        value
        for service in COMPOSE.values()
        for name, value in service.get("environment", {}).items()
        if name.endswith(("_KEY", "_PASSWORD"))
    }
    assert given
    assert all(re.fullmatch(r"\$\{\w+:.*\}", value) for value in given)


def test_images_are_built_on_and_run_beside_pinned_versions() -> None:
    images = [one.split()[0] for one in arguments("FROM", STEPS)] + [
        service["image"] for name, service in COMPOSE.items() if name not in OURS
    ]
    assert len(images) == 5
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_a_container_of_ours_writes_nothing_and_has_no_privilege() -> None:
    assert OURS.keys() == {"topics", "ingress", "config", "normalizer", "trigger"}
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "volumes" not in service, name


def test_nothing_is_published_beyond_the_machine() -> None:
    published = [port for service in COMPOSE.values() for port in service.get("ports", ())]
    assert len(published) == 5
    assert all(port.startswith("127.0.0.1:") for port in published)
