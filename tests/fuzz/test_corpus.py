"""What fuzzing has found, again: each file of a corpus once covered something that no other did, or was a defect."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

FILES = sorted(Path(__file__).parent.glob("corpus/*/*"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name[:12]}")
def test_what_was_found_once_keeps_the_promises(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {file.parent.name for file in FILES} == TARGETS.keys()
