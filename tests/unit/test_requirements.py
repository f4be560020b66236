"""What a service imports is what its image installs: ``requirements/<service>.txt`` and the code of its folders."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"libs", "services"}
DISTRIBUTIONS = packages_distributions()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(service: str) -> set[str]:
    lines = (ROOT / f"requirements/{service}.txt").read_text().splitlines()
    return {normal(line.split("==")[0].split("[")[0]) for line in lines if "==" in line}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def path_of(module: str) -> Path | None:
    place = ROOT / module.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def imported(service: str) -> set[str]:
    """Modules that are not ours, as far as any module of the service leads."""
    waiting = [ROOT / "services/__main__.py", *(ROOT / f"services/{service}").rglob("*.py")]
    seen: set[Path] = set()
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imports(path):
            if module.split(".")[0] not in OURS:
                found.add(module.split(".")[0])
            elif where := path_of(module):
                waiting.append(where)
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("service", ["ingress", "normalizer", "trigger", "config"])
def test_a_service_imports_only_what_is_installed_with_it(service: str) -> None:
    available = installed(service)
    modules = imported(service)
    assert "aiokafka" in modules
    missing = {module for module in modules if not available & set(map(normal, DISTRIBUTIONS[module]))}
    assert missing == set()
