"""Rules that no linter knows: who may read the environment, spell a topic, or name a metric."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py"))


def _strings(path: Path) -> set[str]:
    """String literals of a module, docstrings left out."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    }


def _used(path: Path) -> set[str]:
    """Dotted names: ``module.name`` of imports, ``name.attribute`` of accesses."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return imported | {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    ("names", "home"),
    [
        ({"os.environ", "os.getenv"}, "libs/settings.py"),
        ({f"prometheus_client.{kind}" for kind in ("Counter", "Gauge", "Histogram")}, "libs/telemetry.py"),
    ],
)
def test_the_environment_and_the_metrics_have_one_home_each(names: set[str], home: str) -> None:
    users = {str(path.relative_to(ROOT)) for path in SOURCES if names & _used(path)}
    assert users == {home}


def test_topics_are_spelled_in_one_place() -> None:
    topics = {text for text in _strings(ROOT / "libs/topics.py") if text.startswith("inlet.")}
    assert len(topics) == 7
    assert [path for path in SOURCES if path.name != "topics.py" and topics & _strings(path)] == []


def test_kafka_clients_are_started_whole() -> None:
    """A start that is cancelled leaves a connection open, see `libs.clients`."""
    clients = {f"{name}.start" for name in ("admin", "consumer", "producer")}
    called = {
        (str(path.relative_to(ROOT)), ast.unparse(node.func))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert {path for path, name in called if name in clients} == set()
