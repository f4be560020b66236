"""Filters (in their JSON form) and events from small shared alphabets, so that conditions hold often enough."""

from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from libs.filters.language import OPERATORS

NOW: Final = datetime(2026, 1, 31, 9, 15, 30, tzinfo=UTC)
ZONES: Final[list[tzinfo]] = [
    UTC,
    ZoneInfo("Europe/Warsaw"),
    ZoneInfo("America/St_Johns"),
    ZoneInfo("Pacific/Kiritimati"),
]

WILD_KEYS: Final = ["string", "records", "x.y", "\\", "*", "0", ""]
WILD_SEGMENTS: Final = ["string", "records", "x\\.y", "\\\\", "*", "0", "", "1"]
TEXTS: Final = ["a", "ab", "A", "Straße", "STRASSE"]
NUMBERS: Final[list[int | float]] = [0, 1, 1.0, 2.5, 2**53, float(2**53), 2**53 + 1, 10**30]
DATES: Final = [
    "2026-01-31",
    "2026-01-30",
    "2026-02-01",
    "2025-12-31",
    "2026-01-31T09:15:30Z",
    "2026-01-31T09:59:59.999999Z",
    "2026-01-31T10:15:30+01:00",
    "2026-01-31T00:00:00Z",
    "2026-01-30T23:00:00Z",
    "2026-01-01T00:30:00+14:00",
]
HEADERS: Final = ["x-form-id", "x.y"]

texts = st.sampled_from(TEXTS)
numbers = st.sampled_from(NUMBERS)
dates = st.sampled_from(DATES)
scalars: SearchStrategy[Any] = st.one_of(texts, numbers, dates, st.booleans(), st.none())
documents: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WILD_KEYS), inner, max_size=4),
    max_leaves=12,
)
_fields: dict[str, SearchStrategy[Any]] = {
    "string": texts,
    "number": numbers,
    "boolean": st.booleans(),
    "date": dates,
    "array": st.lists(scalars, max_size=3),
    "any": scalars,
}
records: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=_fields)
_usual: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {**_fields, "records": st.lists(records, min_size=1, max_size=3)},
    optional={"x.y": scalars, "\\": scalars, "*": records, "0": scalars, "": scalars},
)
_unusual = st.dictionaries(st.sampled_from([*WILD_KEYS, *_fields]), documents, max_size=6)
bodies: SearchStrategy[dict[str, Any]] = st.one_of(_usual, _usual, _usual, _unusual)
headers = st.dictionaries(st.sampled_from(HEADERS), texts | dates)
_wild_params = st.lists(st.sampled_from(WILD_SEGMENTS), min_size=1, max_size=3).map(".".join)
_root_params = st.one_of(
    _wild_params.map(lambda param: f"body.{param}"),
    st.sampled_from(["headers.X-Form-Id", "headers.x\\.y", "headers.other"]),
)


def _ordered(pair: tuple[Any, Any]) -> list[Any]:
    return sorted(pair)


OPERANDS: Final[dict[str, SearchStrategy[Any]]] = {
    "text": texts,
    "texts": st.lists(texts, min_size=1, max_size=4),
    "pattern": st.sampled_from(["a", "^a", "b$", "a.*c", "[ab]{2}", "", "Stra", "^$"]),
    "number": numbers,
    "numbers": st.lists(numbers, min_size=1, max_size=4),
    "number bounds": st.tuples(numbers, numbers).map(_ordered),
    "date": dates,
    "date bounds": st.sampled_from(
        [
            ["2026-01-30", "2026-01-31"],
            ["2026-01-31", "2026-01-31T09:15:30Z"],
            ["2025-12-31T23:30:00+01:00", "2026-01-31"],
        ]
    ),
    "length": st.integers(0, 3),
    "scalar": scalars,
}


@st.composite
def conditions(draw: st.DrawFn, places: list[str], wild: SearchStrategy[str]) -> dict[str, Any]:
    """Mostly on a parameter that is likely to have the type; each place ends with the type's name."""
    type_ = draw(st.sampled_from(sorted(OPERATORS)))
    operator = draw(st.sampled_from(sorted(OPERATORS[type_])))
    param = draw(wild) if draw(st.integers(0, 4)) == 0 else draw(st.sampled_from(places)) + type_
    condition: dict[str, Any] = {"param": param, "type": type_, "operator": operator}
    shape = OPERATORS[type_][operator]
    if shape != "nothing":
        condition["value"] = draw(OPERANDS[shape])
    if type_ == "string" and draw(st.booleans()):
        condition["ignoreCase"] = True
    return condition


def _combine(inner: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    parts = st.lists(inner, max_size=3)
    return st.one_of(*(st.builds(lambda parts, name=name: {name: parts}, parts) for name in ("all", "any", "none")))


def _some(param: SearchStrategy[str], where: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    return st.builds(lambda param, where: {"some": param, "where": where}, param, where)


_relative = conditions([""], _wild_params)
_where = _relative | _combine(_relative)
_arrays = st.sampled_from(["body.records", "body.records", "body.records.*", "body.array", "body.*", "body.records.0"])
filters: SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        conditions(["body.", "body.", "body.records.*.", "body.records.0."], _root_params),
        _some(_arrays, _where),
        _some(_arrays, _some(_wild_params | st.just("array"), _where)),
    ),
    _combine,
    max_leaves=6,
)

# Few parameters and few values: here rules overlap, share beginnings and bound the same number from both sides.
_few = st.integers(0, 4)
_few_texts = st.text("ab", max_size=3)
_few_pairs = st.tuples(_few, _few).map(_ordered)


def _dense_conditions(places: list[str]) -> SearchStrategy[dict[str, Any]]:
    def condition(type_: str, operators: list[str], value: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "param": st.sampled_from(places),
                "type": st.just(type_),
                "operator": st.sampled_from(operators),
                "value": value,
            }
        )

    return st.one_of(
        condition("number", ["LESS", "MORE", "LESS_OR_EQUAL", "MORE_OR_EQUAL"], _few),
        condition("number", ["BETWEEN"], _few_pairs),
        condition("number", ["EQUAL", "NOT_EQUAL"], _few),
        condition("number", ["IN"], st.lists(_few, min_size=1, max_size=3)),
        condition("string", ["EQUAL", "STARTS_WITH", "ENDS_WITH", "CONTAIN"], _few_texts),
        condition("string", ["IN"], st.lists(_few_texts, min_size=1, max_size=3)),
    )


def _dense_groups(parts: SearchStrategy[dict[str, Any]]) -> SearchStrategy[dict[str, Any]]:
    lists = st.lists(parts, min_size=1, max_size=3)
    return st.builds(lambda name, parts: {name: parts}, st.sampled_from(["all", "all", "any", "none"]), lists)


_dense_leaves = _dense_conditions(["body.a", "body.b", "body.list.*"])
_dense_elements = _dense_conditions(["a", "b"])
_dense_some = _some(
    st.just("body.records"),
    _dense_elements | _dense_groups(_dense_elements) | _dense_groups(_dense_groups(_dense_elements)),
)
dense_filters: SearchStrategy[dict[str, Any]] = st.one_of(
    _dense_leaves, _dense_groups(_dense_leaves), _dense_groups(_dense_groups(_dense_leaves)), _dense_some
)
_dense_value = _few | _few | _few_texts
dense_bodies: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "a": _dense_value,
        "b": _dense_value,
        "list": st.lists(_dense_value, max_size=4),
        "records": st.lists(st.fixed_dictionaries({"a": _dense_value, "b": _dense_value}), max_size=3),
    }
)
