import pytest

from libs.filters.language import OPERATORS
from services.config.console.labels import OPERATOR_GROUPS, field_name, label_of, shape_of, type_name

OPERATOR_NAMES = {f"{kind}.{name}": shape for kind, operators in OPERATORS.items() for name, shape in operators.items()}


def test_every_operator_has_words_of_its_own_within_its_type() -> None:
    for kind, operators in OPERATORS.items():
        labels = [label_of(f"{kind}.{name}") for name in operators]
        assert len(set(labels)) == len(labels)
        assert not any(label.startswith(f"{kind}.") for label in labels)


def test_every_operator_is_offered_once_in_the_group_of_its_type() -> None:
    offered = [value for _, operators in OPERATOR_GROUPS for value, _ in operators]
    assert sorted(offered) == sorted(OPERATOR_NAMES)
    assert len(OPERATOR_GROUPS) == len(OPERATORS)


def test_the_shape_of_an_operator_is_that_of_the_filter_language() -> None:
    assert {name: shape_of(name) for name in OPERATOR_NAMES} == OPERATOR_NAMES
    assert {shape_of(name) for name in ("", "string", "string.", ".EQUAL", "no.EQUAL", "string.equal")} == {"nothing"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("name", "Name"),
        ("auth.appSecret", "App secret"),
        ("auth.kind", "Authentication"),
        ("deduplication.parameters[1]", "Parameter 2"),
        ("allowedIps[0]", "Allowed address 1"),
        ("value[2]", "Value 3"),
        ("where", "Conditions"),
        ("something[3].else", "something[3].else"),
        ("", ""),
    ],
)
def test_a_field_is_called_what_the_page_calls_it(path: str, name: str) -> None:
    assert field_name(path) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [("", "string"), (1, "number"), (1.5, "number"), (True, "boolean"), (None, "null"), ([], "array"), ({}, "object")],
)
def test_a_value_has_the_type_that_a_filter_would_name(value: object, name: str) -> None:
    assert type_name(value) == name
