import json
import math
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs import bodies
from libs.bodies import BodyError, decode_body
from libs.parameters import flatten
from tests.unit.libs.documents import BODIES, VALUES

HUGE = 12345678901234567890123456789012345678901234567890


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"{}", {}),
        (b' {"a": 1}\n', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":%d}' % HUGE, {"a": HUGE}),
        (b'{"a":-%d}' % HUGE, {"a": -HUGE}),
        (b'{"a":"\\u0000"}', {"a": "\0"}),
        (b'{"a.b":{"":1}}', {"a.b": {"": 1}}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", None),
        (b'{"a":[' + b"1," * 49_999 + b"1]}", None),
    ],
)
def test_a_json_object_within_the_limits_is_decoded(raw: bytes, body: dict[str, object] | None) -> None:
    decoded = decode_body(raw)
    assert body is None or decoded == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"not json",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"{} {}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud800\\u0041"}',
        b'{"\\udc00":"some more text here"}',
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 1_000_000,
        b'{"a":[' + b"1," * 50_000 + b"1]}",
        b"{%s}" % b",".join(b'"%d":1' % index for index in range(100_000)),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_anything_else_is_no_body(raw: bytes) -> None:
    with pytest.raises(BodyError):
        decode_body(raw)


@given(st.binary() | st.text().map(str.encode) | st.text('{}[],:"\\0e.- ').map(str.encode))
@example(b'"' * 2)
def test_any_bytes_are_a_body_or_refused(raw: bytes) -> None:
    with suppress(BodyError):
        assert isinstance(decode_body(raw), dict)


@given(BODIES, st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}]))
def test_what_another_decoder_makes_of_a_body_is_made_here_too(
    body: dict[str, object], written: dict[str, Any]
) -> None:
    raw = json.dumps(body, **written).encode()
    assert decode_body(raw) == json.loads(raw)


def _fits(body: dict[str, object]) -> bool:
    try:
        return decode_body(msgspec.json.encode(body)) == body
    except BodyError:
        return False


def _nested(depth: int, leaf: object) -> dict[str, object]:
    body: dict[str, object] = {"k": leaf}
    for _ in range(depth - 1):
        body = {"k": body}
    return body


@pytest.mark.parametrize("leaf", [1, {}, []])
def test_depth_is_limited_whatever_lies_at_the_bottom(leaf: object) -> None:
    at_limit = bodies.DEPTH_LIMIT - (leaf != 1)
    assert _fits(_nested(at_limit, leaf))
    assert not _fits(_nested(at_limit + 1, leaf))


def test_many_shallow_containers_are_not_deep() -> None:
    assert _fits({"items": [{"a": 1}] * 1000})


def test_the_number_of_leaves_is_limited() -> None:
    assert _fits({"a": [0] * bodies.LEAVES_LIMIT})
    assert not _fits({"a": [0] * (bodies.LEAVES_LIMIT + 1)})


def test_commas_inside_strings_are_not_leaves() -> None:
    assert _fits({"text": "," * 60_000})


@given(st.dictionaries(st.text(st.sampled_from('a.\\"\x01\N{GRINNING FACE}'), max_size=9), VALUES, max_size=4) | BODIES)
@example({"." * 9: 0})
def test_what_is_limited_are_the_bytes_of_all_paths_in_json(body: dict[str, object]) -> None:
    path_bytes = sum(len(msgspec.json.encode(path)) for path in flatten({}, body) if path != "headers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "PATH_BYTES_LIMIT", path_bytes)
        assert _fits(body)
        patch.setattr(bodies, "PATH_BYTES_LIMIT", path_bytes - 1)
        assert not _fits(body)


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "\x01", "."])
def test_keys_count_as_many_bytes_as_they_have_in_a_path(character: str) -> None:
    assert not _fits({character * 1_000: [0] * 8_000})
    assert _fits({"k" * 1_000: [0] * 8_000})


def test_a_body_is_limited_whatever_its_shape() -> None:
    assert _fits({"k": "x" * (bodies.BODY_BYTES_LIMIT - len('{"k":""}'))})
    assert not _fits({"k": "x" * (bodies.BODY_BYTES_LIMIT - len('{"k":""}') + 1)})


def test_a_long_key_over_many_leaves_cannot_grow_into_a_huge_flat_form() -> None:
    assert not _fits({"k" * 10_000: [0] * 1_000})
    assert _fits({"k" * 10_000: [0] * 10})


@given(BODIES)
def test_ordinary_documents_fit(body: dict[str, object]) -> None:
    assert _fits(body)


def test_objects_and_arrays_are_limited_where_leaves_are_few() -> None:
    chain = b"[" * 50 + b"1" + b"]" * 50
    assert decode_body(b'{"a":[%s]}' % b",".join([chain] * 1_999))
    with pytest.raises(BodyError, match="more than 100,000 objects and arrays"):
        decode_body(b'{"a":[%s]}' % b",".join([chain] * 2_001))


def test_as_many_strings_fit_as_keys_and_values_may_be() -> None:
    assert decode_body(b'{"a":[%s]}' % b",".join([b'{"k":{"k":"v"}}'] * 49_999))
    with pytest.raises(BodyError, match="more than 50,000 values"):
        decode_body(b"{%s}" % b",".join([b'"":""'] * 500_000))


@given(st.text('a,[{"\\', max_size=12), st.sampled_from([b"1", b"{}", b'"\\""', b'"\\\\"', b'"\\\\\\","']))
def test_only_what_is_outside_of_strings_counts(text: str, leaf: bytes) -> None:
    """Whatever is quoted, escaped or not, and wherever it stands."""
    key = msgspec.json.encode(text)
    few, many = ([leaf] * count for count in (bodies.LEAVES_LIMIT - 1, bodies.LEAVES_LIMIT))
    assert decode_body(b'{%s:0,"a":[%s]}' % (key, b",".join(few)))
    with pytest.raises(BodyError, match="more than 50,000 values"):
        decode_body(b'{%s:0,"a":[%s]}' % (key, b",".join(many)))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([1, 1_000]))
@example(1e300, 1_000)
@example(5e-324, 1_000)
def test_numbers_are_the_same_however_many_there_are(number: float, times: int) -> None:
    raw = b'{"a":[%s]}' % b",".join([repr(number).encode()] * times)
    assert decode_body(raw) == {"a": [number] * times}


@pytest.mark.parametrize("times", [1, 1_000])
@pytest.mark.parametrize("number", [b"1e309", b"-1e309"])
def test_a_number_beyond_a_double_is_refused_however_many_there_are(number: bytes, times: int) -> None:
    assert math.isinf(float(number))
    with pytest.raises(BodyError, match="Number out of range"):
        decode_body(b'{"a":[%s]}' % b",".join([number] * times))
