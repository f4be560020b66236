"""The checks before a request is published."""

import time

import pytest

from services.ingress import answers, checks
from services.ingress.answers import HttpAnswer

ID = "01234567-89ab-cdef-0123-456789abcdef"
PATH = f"/automation-endpoint/endpoints/authorized/{ID}/trigger"
LIMIT = 1000
JSON = {"content-type": "application/json"}


def test_the_id_of_an_endpoint_is_in_its_path() -> None:
    assert checks.integration_id(PATH.encode()) == ID


@pytest.mark.parametrize(
    "path",
    [
        PATH.replace(ID, ID.upper()),
        PATH.replace(ID, ID.replace("-", "")),
        PATH.replace(ID, f"{{{ID}}}"),
        PATH.replace(ID, f" {ID}"),
        PATH.replace(ID, "\N{ARABIC-INDIC DIGIT ZERO}1234567-89ab-cdef-0123-456789abcdef"),
        PATH.replace("authorized", "public"),
        PATH.replace("/trigger", ""),
        PATH.replace("/trigger", "%2Ftrigger"),
        f"{PATH}/",
        f"{PATH}\n",
        f"/x{PATH}",
    ],
)
def test_anything_but_the_canonical_path_is_no_endpoint(path: str) -> None:
    assert checks.integration_id(path.encode()) is None


def test_headers_are_folded_by_lower_case_name() -> None:
    raw = [(b"X-Form-Id", b"7"), (b"x-tag", b"a"), (b"x-tag", b"b"), (b"x-name", "Zoë".encode("latin-1"))]
    assert checks.fold_headers(raw) == {"x-form-id": "7", "x-tag": "a, b", "x-name": "Zoë"}


def test_a_header_repeated_without_end_is_folded_in_linear_time() -> None:
    started = time.monotonic()
    assert checks.fold_headers([(b"a", b"b")] * 400_000) == {"a": ", ".join("b" * 400_000)}
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie", b"X-Hub-Signature-256", b"x-api-key", b"X-Shop-Token"])
def test_credentials_are_no_parameters(name: bytes) -> None:
    assert checks.fold_headers([(name, b"secret"), (b"x", b"y"), (name, b"secret")]) == {"x": "y"}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", " application/json ;x"],
)
def test_json_may_have_parameters_and_any_case(content_type: str) -> None:
    assert checks.refuse_head("POST", {"content-type": content_type}, LIMIT) is None


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/jsonp", "application/json, application/json", "a; application/json"]
)
def test_other_types_are_415(content_type: str) -> None:
    assert checks.refuse_head("POST", {"content-type": content_type}, LIMIT) is answers.UNSUPPORTED_TYPE
    assert checks.refuse_head("POST", {}, LIMIT) is answers.UNSUPPORTED_TYPE


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"])
def test_other_methods_are_405(method: str) -> None:
    assert checks.refuse_head(method, JSON, LIMIT) is answers.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(("length", "refusal"), [(LIMIT, None), (LIMIT + 1, answers.TOO_LARGE)])
def test_a_declared_length_over_the_limit_is_413(length: int, refusal: HttpAnswer | None) -> None:
    assert checks.refuse_head("POST", JSON | {"content-length": str(length)}, LIMIT) is refusal


@pytest.mark.parametrize(("length", "refusal"), [("2", None), ("", None), ("9" * 20, answers.TOO_LARGE)])
def test_zeros_before_a_declared_length_do_not_count(length: str, refusal: HttpAnswer | None) -> None:
    assert checks.refuse_head("POST", JSON | {"content-length": "0" * 5000 + length}, LIMIT) is refusal


def test_headers_are_too_large_when_their_lines_are() -> None:
    room = checks.HEADERS_LIMIT_BYTES - len("authorization: \r\nx-b: \r\n")
    at_limit = [(b"authorization", b"v" * (room - 1000)), (b"x-b", b"v" * 1000)]
    assert checks.size_of(at_limit) == checks.HEADERS_LIMIT_BYTES
    assert checks.size_of([*at_limit, (b"", b"")]) > checks.HEADERS_LIMIT_BYTES


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], False),
        ([(b"content-length", b"00")], False),
        ([(b"content-length", b"10")], True),
        ([(b"host", b"x"), (b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_body_follows_headers_that_announce_it(raw: list[tuple[bytes, bytes]], *, expected: bool) -> None:
    assert checks.has_body(raw) is expected


@pytest.mark.parametrize(
    ("encoding", "refusal"), [("identity", None), ("Identity", None), ("gzip", answers.UNSUPPORTED_ENCODING)]
)
def test_an_encoded_body_is_415(encoding: str, refusal: HttpAnswer | None) -> None:
    assert checks.refuse_head("POST", JSON | {"content-encoding": encoding}, LIMIT) is refusal


def test_the_first_of_several_objections_is_the_answer() -> None:
    wrong = {"content-type": "text/plain", "content-length": str(LIMIT + 1), "content-encoding": "gzip"}
    found = []
    for method, repair in [("GET", {}), ("POST", JSON), ("POST", {"content-length": "1"}), ("POST", {})]:
        wrong |= repair
        found.append(checks.refuse_head(method, wrong, LIMIT))
    assert found == [
        answers.METHOD_NOT_ALLOWED,
        answers.TOO_LARGE,
        answers.UNSUPPORTED_ENCODING,
        answers.UNSUPPORTED_ENCODING,
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "Input data was truncated"),
        (b'{"a":[' + b"1," * 50_000 + b"1]}", "it has more than 50,000 values"),
        (b'{"entry":[]}', "split, its events would be too large together"),  # it is within all other limits
    ],
)
def test_the_owner_is_told_what_is_wrong_with_a_body(raw: bytes, reason: str) -> None:
    assert reason in checks.reason_of(answers.malformed(0), (), raw)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "Content-Type is missing"),
        ([(b"Content-Type", b"text/plain; charset=utf-8")], "Content-Type is 'text/plain', not application/json"),
    ],
)
def test_the_owner_is_told_what_type_came(headers: list[tuple[bytes, bytes]], reason: str) -> None:
    assert checks.reason_of(answers.UNSUPPORTED_TYPE, headers, b"") == reason
