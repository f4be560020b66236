"""Every line of the threat model is held by a test that there is."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
ROWS = re.findall(r"^\| (?!threat |-)(.+) \|$", PAGE.partition("\n## Timing")[0], re.MULTILINE)


def names_in(path: str) -> set[str]:
    file = TESTS / path
    nodes = ast.walk(ast.parse(file.read_text())) if file.is_file() else ()
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    named = set(NAMED.findall(PAGE))
    assert len(named) > 50
    assert {(path, name) for path, name in named if name not in names_in(path)} == set()
    assert len(NAMED.findall(PAGE)) == PAGE.count("::")


def test_every_threat_has_what_holds_it_and_a_test() -> None:
    assert len(ROWS) > 50
    for row in ROWS:
        cells = row.split(" | ")
        assert len(cells) == 3, row
        assert all(cells), row
        assert NAMED.search(cells[2]), row
