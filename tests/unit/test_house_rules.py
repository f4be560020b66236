"""Rules that no linter knows: who may read the environment, spell a topic, or name a metric."""

import ast
import importlib
from pathlib import Path
from typing import Any

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


def _modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param(
            {"aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "urllib.request"}, id="calls"
        ),
        pytest.param({"csv", "openpyxl", "xml", "lxml"}, id="formats that are more than text to who reads them"),
        pytest.param({"marshal", "pickle", "shelve", "subprocess", "yaml"}, id="data that is run"),
        pytest.param({"bz2", "lzma", "zipfile", "zlib"}, id="data that grows when it is read"),
    ],
)
def test_no_service_has_a_use_for_what_is_dangerous_in_the_hands_of_a_sender(modules: set[str]) -> None:
    """No address that somebody has given is ever called, nothing is exported, unpacked or run."""
    users = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for module in _modules(path)
        if module in modules or module.split(".")[0] in modules
    }
    assert users == set()


def test_a_cause_which_is_a_label_of_a_metric_is_always_one_of_a_few() -> None:
    causes = [
        node.args[0]
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "DeadLetter"
    ]
    assert len(causes) == 6
    assert all(isinstance(cause, ast.Constant) or ast.unparse(cause).isupper() for cause in causes)


def _patterns(path: Path) -> list[str]:
    """The regular expressions of a module, with X for what is put into one."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = [call.args[0] for call in calls if ast.unparse(call.func).startswith("re.") and call.args]
    given += [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "pattern"]
    found = []
    for node in given:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value if isinstance(part, ast.Constant) else "X" for part in parts]
        found.append("".join(text.decode() if isinstance(text, bytes) else str(text) for text in texts))
    return found


def _repeats_a_repetition(parsed: Any, *, within: bool = False) -> bool:  # noqa: ANN401  of the standard library
    """Whether something without a limit is in something without a limit, from where matching can take forever."""
    for operation, argument in parsed:
        name = str(operation)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, most, inner = argument
            is_open = int(most) - int(least) > _FEW
            if (is_open and within) or _repeats_a_repetition(inner, within=within or is_open):
                return True
        elif name == "SUBPATTERN":
            if _repeats_a_repetition(argument[-1], within=within):
                return True
        elif name == "BRANCH" and any(_repeats_a_repetition(one, within=within) for one in argument[1]):
            return True
    return False


_FEW = 64
# Each repetition begins with a character that the one inside cannot have, so there is one way to match.
UNAMBIGUOUS = {"`[a-z]+(?:_[a-z]+)+`"}


def test_no_regular_expression_of_ours_repeats_a_repetition() -> None:
    parse: Any = importlib.import_module("re._parser").parse
    patterns = {pattern for path in SOURCES for pattern in _patterns(path)}
    assert len(patterns) > 25
    assert {pattern for pattern in patterns if _repeats_a_repetition(parse(pattern))} == UNAMBIGUOUS
    assert all(_repeats_a_repetition(parse(evil)) for evil in ("(a+)+$", "(?:a|b*)*c", "(x(y+z?)){2,}"))
