"""The log: a line stays one line whatever is in it, and nobody else writes one."""

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from libs.telemetry import configure_logging, registry_of

FORGED = "refused\n2026-01-31T09:15:30.123Z WARNING services: all is well\r\x1b[2J\x9b2J\x85\u2028\u202e\n\n"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    loggers = {name: logging.getLogger(name) for name in ("root", "uvicorn.error", "aiokafka")}
    before, handlers = {name: logger.level for name, logger in loggers.items()}, list(logging.root.handlers)
    logging.root.handlers.clear()  # those of pytest, which would be closed
    yield
    logging.root.handlers[:] = handlers
    for name, logger in loggers.items():
        logger.setLevel(before[name])


def logged(form: Literal["text", "json"], capsys: pytest.CaptureFixture[str], *, raised: bool) -> str:
    configure_logging(form)
    logging.getLogger("services").error("refused: %s", FORGED, exc_info=ValueError(FORGED) if raised else None)
    return capsys.readouterr().err.removesuffix("\n")


def test_a_line_of_the_log_stays_one_line_whatever_it_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert logged("text", capsys, raised=False).isprintable()


def test_what_an_exception_says_cannot_pass_for_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = logged("text", capsys, raised=True).split("\n")
    assert all(line.isprintable() for line in (first, *others))
    assert any("all is well" in line for line in others)
    assert all(line.startswith("    ") for line in others if line)


def test_a_line_in_json_has_nothing_that_is_not_to_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    line = logged("json", capsys, raised=True)
    assert line.isprintable()
    told = json.loads(line)
    assert told["message"].isprintable()
    assert told["exception"].replace("\n", "").isprintable()


def test_a_label_of_a_metric_is_never_what_somebody_has_sent() -> None:
    """There are as many series as statuses, outcomes and causes."""
    families = [
        family for name in ("ingress", "normalizer", "trigger", "config") for family in registry_of(name).collect()
    ]
    ours = [family for family in families if family.name.startswith("inlet_")]
    labels = {label for family in ours for sample in family.samples for label in sample.labels}
    assert len(ours) > 10
    assert labels <= {"status", "outcome", "cause", "le"}
