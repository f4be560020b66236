from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from libs.deduplication import Hasher
from libs.parameters import flatten
from tests.unit.libs.documents import BODIES, HEADERS

HASH = Hasher("0193-integration", ["body.complaint.id", "headers.x-deduplication-hash"])


def _of(value: object) -> str | None:
    return HASH({}, {"complaint": {"id": value}})


def test_the_hash_of_a_known_request_never_changes() -> None:
    """A new encoding would let every duplicate of the last seven days through."""
    encoded = (
        b"\0\0\0\x100193-integration"
        b"\0\0\0\x11body.complaint.idi\0\0\0\x1f1000000000000000000000000000000"
        b"\0\0\0\x1cheaders.x-deduplication-hashs\0\0\0\x02\xc3\xa9"
    )
    known = blake2b(encoded, digest_size=16).hexdigest()
    assert HASH({"x-deduplication-hash": "é"}, {"complaint": {"id": 10**30}}) == known


def test_numbers_of_equal_value_are_the_same_and_a_string_is_no_number() -> None:
    assert _of(1) == _of(1.0)
    assert _of(0) == _of(-0.0)
    assert _of(10**22) == _of(1e22)
    different: list[object] = [1, "1", True, None, {}, [], 1.5, "true", 10**30, 10**30 + 1]
    assert len({_of(value) for value in different}) == len(different)


def test_nothing_to_identify_by_gives_no_hash() -> None:
    assert HASH({"other": "1"}, {"complaint": {"id": {"not": "a leaf"}}}) is None


def test_an_absent_parameter_is_not_a_null_one() -> None:
    headers = {"x-deduplication-hash": "h"}
    assert HASH(headers, {}) != HASH(headers, {"complaint": {"id": None}})


def test_the_order_in_which_parameters_were_chosen_does_not_matter() -> None:
    there, back = Hasher("i", ["body.a", "body.b"]), Hasher("i", ["body.b", "body.a"])
    assert there({}, {"a": 1, "b": 2}) == back({}, {"a": 1, "b": 2})
    assert there({}, {"a": 1, "b": 2}) != there({}, {"a": 2, "b": 1})


def test_two_integrations_never_share_a_hash() -> None:
    assert Hasher("one", ["body.a"])({}, {"a": 1}) != Hasher("two", ["body.a"])({}, {"a": 1})


def test_values_cannot_lean_over_into_their_neighbours() -> None:
    pair = Hasher("i", ["body.a", "body.b"])
    assert pair({}, {"a": "xs", "b": "y"}) != pair({}, {"a": "x", "b": "sy"})


@given(HEADERS, BODIES, HEADERS, BODIES, st.data())
def test_hashes_are_equal_exactly_when_the_chosen_values_are(
    headers: dict[str, str],
    body: dict[str, object],
    headers2: dict[str, str],
    body2: dict[str, object],
    data: st.DataObject,
) -> None:
    flat, flat2 = flatten(headers, body), flatten(headers2, body2)
    paths = data.draw(st.lists(st.sampled_from(sorted(flat | flat2)), min_size=1, max_size=5))
    hasher = Hasher("i", paths)

    def typed(chosen: dict[str, object]) -> list[tuple[object, ...]]:
        return [
            (
                path in chosen,
                isinstance(chosen.get(path), bool),
                type(chosen.get(path)) in {int, float} or type(chosen.get(path)),
                chosen.get(path),
            )
            for path in sorted(set(paths))
        ]

    one, two = hasher(headers, body), hasher(headers2, body2)
    assert (one is None) == flat.keys().isdisjoint(paths)
    if one is not None and two is not None:
        assert (one == two) == (typed(flat) == typed(flat2))
