import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs import parameters
from libs.parameters import ABSENT, find, fits, flatten, join, split
from tests.unit.libs.documents import BODIES, HEADERS, KEYS, VALUES


def _count_leaves(value: object) -> int:
    if isinstance(value, dict) and value:
        return sum(map(_count_leaves, value.values()))
    if isinstance(value, list) and value:
        return sum(map(_count_leaves, value))
    return 1


def test_the_complaint_example_flattens_as_documented() -> None:
    body: dict[str, object] = {
        "complaint": {"id": "cmp-1", "attachments": [{"fileName": "a.jpg"}], "tags": [], "meta": {}},
        "source": "portal",
    }
    assert list(flatten({"x-form-id": "7"}, body).items()) == [
        ("body.complaint.id", "cmp-1"),
        ("body.complaint.attachments.0.fileName", "a.jpg"),
        ("body.complaint.tags", []),
        ("body.complaint.meta", {}),
        ("body.source", "portal"),
        ("headers.x-form-id", "7"),
    ]


def test_a_dot_in_a_key_is_escaped_so_that_it_cannot_pass_for_nesting() -> None:
    assert flatten({}, {"a.b": 1, "a": {"b": 2}, "a\\": {"b": 3}}) == {
        r"body.a\.b": 1,
        "body.a.b": 2,
        r"body.a\\.b": 3,
        "headers": {},
    }


@given(HEADERS, BODIES)
def test_flattening_keeps_every_leaf_under_a_path_of_its_own(headers: dict[str, str], body: dict[str, object]) -> None:
    assert len(flatten(headers, body)) == _count_leaves(headers) + _count_leaves(body)


@given(HEADERS, BODIES)
def test_flattening_does_not_depend_on_anything_but_the_document(
    headers: dict[str, str], body: dict[str, object]
) -> None:
    again = msgspec.json.decode(msgspec.json.encode(body))
    assert list(flatten(headers, body).items()) == list(flatten(dict(headers), again).items())


@given(HEADERS, BODIES)
def test_finding_a_path_gives_what_flattening_has_there(headers: dict[str, str], body: dict[str, object]) -> None:
    for path, value in flatten(headers, body).items():
        assert find(split(path), headers, body) is value


@given(HEADERS, BODIES, st.lists(KEYS, max_size=4))
def test_a_path_that_flattening_does_not_have_is_absent(
    headers: dict[str, str], body: dict[str, object], segments: list[str]
) -> None:
    path = join(["body", *segments])
    if path not in flatten(headers, body):
        assert find(split(path), headers, body) is ABSENT


@pytest.mark.parametrize("segment", ["-1", "01", "1", "x", "", "\N{ARABIC-INDIC DIGIT ZERO}", "9" * 5000, "+0"])
def test_only_canonical_indexes_in_range_reach_into_an_array(segment: str) -> None:
    assert find(("body", "a", segment), {}, {"a": ["only"]}) is ABSENT


@given(st.lists(KEYS, min_size=1))
def test_splitting_is_the_inverse_of_joining(segments: list[str]) -> None:
    assert split(join(segments)) == tuple(segments)


@given(st.text(alphabet="a.\\"))
def test_a_path_either_splits_and_joins_to_itself_or_is_refused(path: str) -> None:
    try:
        segments = split(path)
    except ValueError as error:
        assert "must be followed by" in str(error)  # noqa: PT017 both outcomes are right, for different paths
    else:
        assert join(segments) == path


def _fits(body: dict[str, object]) -> bool:
    return fits(msgspec.json.encode(body), body)


def _nested(depth: int, leaf: object) -> dict[str, object]:
    body: dict[str, object] = {"k": leaf}
    for _ in range(depth - 1):
        body = {"k": body}
    return body


@pytest.mark.parametrize("leaf", [1, {}, []])
def test_depth_is_limited_whatever_lies_at_the_bottom(leaf: object) -> None:
    at_limit = parameters.DEPTH_LIMIT - (leaf != 1)
    assert _fits(_nested(at_limit, leaf))
    assert not _fits(_nested(at_limit + 1, leaf))


def test_many_shallow_containers_are_not_deep() -> None:
    assert _fits({"items": [{"a": 1}] * 1000})


def test_the_number_of_leaves_is_limited() -> None:
    assert _fits({"a": [0] * parameters.LEAVES_LIMIT})
    assert not _fits({"a": [0] * (parameters.LEAVES_LIMIT + 1)})


def test_commas_inside_strings_are_not_leaves() -> None:
    assert _fits({"text": "," * 60_000})


@given(st.dictionaries(st.text(st.sampled_from('a.\\"\x01\N{GRINNING FACE}'), max_size=9), VALUES, max_size=4) | BODIES)
@example({"." * 9: 0})
def test_what_is_limited_are_the_bytes_of_all_paths_in_json(body: dict[str, object]) -> None:
    path_bytes = sum(len(msgspec.json.encode(path)) for path in flatten({}, body) if path != "headers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters, "PATH_BYTES_LIMIT", path_bytes)
        assert _fits(body)
        patch.setattr(parameters, "PATH_BYTES_LIMIT", path_bytes - 1)
        assert not _fits(body)


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "\x01", "."])
def test_keys_count_as_many_bytes_as_they_have_in_a_path(character: str) -> None:
    assert not _fits({character * 1_000: [0] * 8_000})
    assert _fits({"k" * 1_000: [0] * 8_000})


def test_a_body_is_limited_whatever_its_shape() -> None:
    assert _fits({"k": "x" * (parameters.BODY_BYTES_LIMIT - len('{"k":""}'))})
    assert not _fits({"k": "x" * (parameters.BODY_BYTES_LIMIT - len('{"k":""}') + 1)})


def test_a_long_key_over_many_leaves_cannot_grow_into_a_huge_flat_form() -> None:
    assert not _fits({"k" * 10_000: [0] * 1_000})
    assert _fits({"k" * 10_000: [0] * 10})


@given(BODIES)
def test_ordinary_documents_fit(body: dict[str, object]) -> None:
    assert _fits(body)
