import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from libs.activity import (
    TEXT_LIMIT,
    Dead,
    Dropped,
    IngressReport,
    Input,
    Matched,
    PipelineReport,
    Rejection,
    Repetition,
    Report,
    decode_report,
    inputs_of,
    shortened,
)
from libs.deduplication import Hasher
from libs.messages import Position

AT = "2026-01-31T09:15:30.123456Z"


@pytest.mark.parametrize(
    "report",
    [
        IngressReport(
            integration_id="i",
            at=1_769_850_930,
            accepted=3,
            duplicates=2,
            rejected=1,
            recent=(
                Repetition(
                    id="d",
                    at=AT,
                    inputs=(Input(parameter="body.id", value=10**30), Input(parameter="headers.x")),
                    owner=Position(3, 7),
                ),
                Repetition(id="e", at=AT, inputs=()),
                Rejection(id="r", at=AT, status=401, reason="no token"),
            ),
        ),
        PipelineReport(
            topic="t",
            partition=7,
            ended={"i": (Matched("a", 1, AT, 21, ("b", "c")), Dropped("d", 2, AT), Dead("e", 3, AT, "too-large"))},
        ),
    ],
)
def test_a_report_reads_back_as_it_was_written(report: Report) -> None:
    assert decode_report(msgspec.json.encode(report)) == report


def test_a_report_from_before_requests_were_named_is_read() -> None:
    value = b'{"kind":"pipeline","topic":"t","partition":7,"ended":{"i":[["matched","a",1,"2026",0,[]]]}}'
    assert decode_report(value) == PipelineReport(
        topic="t", partition=7, ended={"i": (Matched("a", 1, "2026", 0, ()),)}
    )


@pytest.mark.parametrize("value", [b"", b"\xff", b"{}", b'{"kind":"unheard-of"}', b"[" * 100_000])
def test_what_is_no_report_is_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_report(value)


def test_a_pointer_takes_few_bytes() -> None:
    pointer = Matched("01947a3e-5b8c-7def-8123-456789abcdef", 123_456, AT, 0, ())
    assert len(msgspec.json.encode(pointer)) < 100


def test_what_identifies_a_request_is_told_with_what_is_absent() -> None:
    hasher = Hasher("i", ("headers.x-form-id", "body.a\\.b", "body.none", "body.missing"))
    assert inputs_of(hasher, {"x-form-id": "7"}, {"a.b": 1, "none": None}) == (
        Input(parameter="body.a\\.b", value=1),
        Input(parameter="body.missing", value=UNSET),
        Input(parameter="body.none", value=None),
        Input(parameter="headers.x-form-id", value="7"),
    )


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_of_a_long_value_the_beginning_is_kept(value: object) -> None:
    short = shortened(value)
    assert short is value or short == f"{str(value)[:TEXT_LIMIT]}…"
    assert len(str(short)) <= TEXT_LIMIT + 1


def test_a_number_of_thousands_of_digits_is_shortened_as_a_text_is() -> None:
    assert shortened(10**4000) == "1" + "0" * (TEXT_LIMIT - 1) + "…"
    assert shortened("x" * TEXT_LIMIT) == "x" * TEXT_LIMIT
    assert shortened([]) == []
