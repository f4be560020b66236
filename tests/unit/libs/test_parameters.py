import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.parameters import ABSENT, find, flatten, join, split
from tests.unit.libs.documents import BODIES, HEADERS, KEYS


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
