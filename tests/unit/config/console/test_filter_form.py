import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.filters import All, AnyOf, Condition, Filter, NoneOf, Some, parse, to_source
from libs.filters.parsing import NESTING_LIMIT
from libs.parameters import escape
from services.config.console.filter_form import (
    DEPTH_LIMIT,
    Element,
    Group,
    Node,
    Row,
    changed,
    find,
    read,
    source_of,
    source_paths,
    tree_of,
)
from services.config.console.forms import Form
from tests.unit.config.console.builder_page import rendered, sent
from tests.unit.filters import strategies

TREE = Group(parts=(Row(param="a"), Group(kind="any", parts=(Row(param="b"),)), Element(param="c", where=Group())))
GROUPS = ("0", "0.1", "0.2.0")
REMOVABLE = ("0.0", "0.1", "0.1.0", "0.2")

# Whatever an author may write by REST. Half a surrogate pair is no text that JSON or a form could carry.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "\r\n",
        '"a"',
        '"\\n"',
        '"\\"\\\\n\\""',
        "null",
        "1",
        " a ",
        "a\nb",
        "\n",
        "\0",
        "[1]",
        "a\tb",
        "\u2028",
        "</textarea>",
    ]
)
params = texts.map(escape)
wild_conditions: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"param": params, "type": st.just("string"), "operator": st.sampled_from(["EQUAL", "CONTAIN"]), "value": texts},
        optional={"ignoreCase": st.booleans()},
    ),
    st.fixed_dictionaries(
        {
            "param": params,
            "type": st.just("string"),
            "operator": st.just("IN"),
            "value": st.lists(texts, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "param": params,
            "type": st.just("array"),
            "operator": st.just("CONTAIN"),
            "value": texts | strategies.numbers | st.booleans() | st.none(),
        }
    ),
)
wild_filters = st.builds(
    lambda param, parts: {"some": f"body.{param}", "where": {"all": parts}},
    params,
    st.lists(wild_conditions, max_size=3),
)


def grouped(where: Filter) -> Filter:
    """The same filter, with a group around it, and around the inside of each element, where there is none."""
    match where:
        case All(parts=parts):
            return All(parts=tuple(map(_inside, parts)))
        case AnyOf(parts=parts):
            return AnyOf(parts=tuple(map(_inside, parts)))
        case NoneOf(parts=parts):
            return NoneOf(parts=tuple(map(_inside, parts)))
        case _:
            return All(parts=(_inside(where),))


def _inside(where: Filter) -> Filter:
    match where:
        case Some(path=path, where=inner):
            return Some(path=path, where=grouped(inner))
        case Condition():
            return where
        case _:
            return grouped(where)


def exact(where: Filter) -> str:
    """As JSON: `==` would take 1 for true."""
    return json.dumps(to_source(where))


@given(strategies.filters | wild_filters)
def test_every_filter_survives_the_builder_and_the_browser(source: dict[str, Any]) -> None:
    where = parse(source)
    tree = tree_of(where)
    assert exact(parse(source_of(tree))) == exact(grouped(where))
    assert sent(rendered(tree)) == tree


def nested(depth: int, inner: dict[str, Any]) -> dict[str, Any]:
    source = inner
    for _ in range(depth):
        source = {"some": "list", "where": source}
    return {"some": "body.list", "where": source}


def test_a_filter_as_deep_as_filters_may_be_is_shown_whole() -> None:
    condition = {"param": "x", "type": "any", "operator": "EXISTS"}
    where = parse(nested(NESTING_LIMIT - 1, condition))
    tree = sent(rendered(tree_of(where)))
    assert max(place.count(".") for place in source_paths(tree).values()) == DEPTH_LIMIT - 1
    assert source_of(tree) == to_source(grouped(where))


@given(strategies.filters)
def test_what_the_filter_language_calls_a_node_leads_to_its_place(source: dict[str, Any]) -> None:
    tree = tree_of(parse(source))
    for path, place in source_paths(tree).items():
        node = find(tree, place)
        assert node is not None
        assert _follow(source_of(tree), path) == source_of(node)


def _follow(source: Any, path: str) -> Any:  # noqa: ANN401 any JSON
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", path.removeprefix("where"))
    for name, index in steps:
        source = source[name] if name else source[int(index)]
    return source


@pytest.mark.parametrize(
    ("button", "new", "focus"),
    [
        ("add-condition", Row(), ""),
        ("add-group", Group(kind="any", parts=(Row(),)), ".0"),
        ("add-element", Element(where=Group(parts=(Row(),))), ""),
    ],
)
@pytest.mark.parametrize("place", GROUPS)
def test_each_group_takes_in_what_is_added_to_it(place: str, button: str, new: Node, focus: str) -> None:
    before = find(TREE, place)
    assert isinstance(before, Group)
    after, next_place = changed(TREE, f"{button}:{place}")
    added = f"{place}.{len(before.parts)}"
    assert find(after, added) == new
    assert next_place == added + focus
    assert changed(after, f"remove:{added}") == (TREE, place)


@pytest.mark.parametrize("place", REMOVABLE)
def test_what_is_removed_is_gone_with_all_that_is_in_it(place: str) -> None:
    after, next_place = changed(TREE, f"remove:{place}")
    gone = find(TREE, place)
    assert gone not in [find(after, one) for one in source_paths(after).values()]
    assert next_place == place.rpartition(".")[0]
    left = len(source_paths(TREE)) - len(source_paths(after))
    assert gone is not None
    assert left == (len(source_paths(gone)) if isinstance(gone, Group) else 2 if isinstance(gone, Element) else 1)


@given(
    st.sampled_from(["remove", "add-condition", "add-group", "add-element", "refresh", "", "save"]),
    st.one_of(
        st.text(),
        st.sampled_from(
            ["", "0", "1", "1.0", "x.0", "0.", ".0", "0.2.0.0", "0.2.1", "0.x", "0.00", "0.-1", "0.\u0660"]
        ),
        st.sampled_from(["0." + "9" * 5000, "0" + ".0" * 5000]),
    ),
)
def test_a_button_that_no_page_has_changes_nothing(action: str, place: str) -> None:
    offered = {*(f"remove:{one}" for one in REMOVABLE), *(f"{add}:{one}" for add in ADDERS for one in GROUPS)}
    if f"{action}:{place}" not in offered:
        assert changed(TREE, f"{action}:{place}") == (TREE, "")


ADDERS = ("add-condition", "add-group", "add-element")


def test_the_page_offers_the_buttons_of_every_place_and_no_others() -> None:
    [form] = rendered(TREE).forms
    assert {one.value for one in form.buttons} == {
        *(f"remove:{one}" for one in REMOVABLE),
        *(f"{add}:{one}" for add in ADDERS for one in GROUPS),
    }


@pytest.mark.parametrize("add", ADDERS)
def test_however_often_something_is_added_the_next_page_still_has_it_all(add: str) -> None:
    tree, place = Group(), "0"
    for _ in range(2 * DEPTH_LIMIT):
        tree, focus = changed(tree, f"{add}:{place}")
        assert sent(rendered(tree)) == tree
        place = next((one for one in (f"{focus}.0", focus.rpartition(".")[0]) if _is_group(tree, one)), place)
    assert tree.parts


def _is_group(tree: Group, place: str) -> bool:
    return isinstance(find(tree, place), Group)


@pytest.mark.parametrize("kind", ["all", "element", "condition"])
def test_a_form_nested_without_end_is_read_as_far_as_filters_go(kind: str) -> None:
    fields = {"kind:" + "0" + ".0" * depth: [kind] for depth in range(2000)}
    tree = read(Form(fields))
    assert len(source_paths(tree)) <= DEPTH_LIMIT + 1


@given(st.dictionaries(st.sampled_from(["kind:0", "kind:0.0", "param:0.0", "kind:0.0.0", "operator:0.0"]), st.text()))
def test_a_form_of_a_stranger_is_some_tree(fields: dict[str, str]) -> None:
    tree = read(Form({name: [value] for name, value in fields.items()}))
    assert source_of(tree)
    assert rendered(tree).forms


def test_where_to_go_on_has_the_focus() -> None:
    after, focus = changed(TREE, "add-group:0")
    [form] = rendered(after, focus).forms
    assert [one.name for one in form.fields if "autofocus" in one.attributes] == ["param:0.3.0"]
