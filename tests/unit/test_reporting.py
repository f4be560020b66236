"""The failure of one test does not keep the others from being run."""

import gc
from collections.abc import Generator

import pytest

from tests.conftest import pytest_runtest_makereport


def test_no_garbage_is_collected_while_a_failure_is_written_down() -> None:
    writing: Generator[None, str, str] = pytest_runtest_makereport()
    next(writing)
    assert not gc.isenabled()
    with pytest.raises(StopIteration, match="the report"):
        writing.send("the report")
    assert gc.isenabled()
