"""The condition builder: a filter as rows and groups of a form, and back, without loss.

Every node has a place: the root is ``0``, its parts ``0.0``, ``0.1`` and so on. A place names the fields of the node
(``param:0.1``), the buttons that change the tree (``remove:0.1``), and, by `source_paths`, what the filter language
calls the node (``where.all[1]``) in faults and explanations.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from libs.filters.language import All, AnyOf, Condition, Filter, NoneOf, Some
from libs.filters.parsing import NESTING_LIMIT
from libs.parameters import join
from services.config.console import typed
from services.config.console.forms import Form
from services.config.console.labels import shape_of

ROOT: Final = "0"
# Of what can be shown: every filter, with the group that `tree_of` puts around the inside of each element. One that is
# nested more than the language allows is shown too, and refused when it is saved.
DEPTH_LIMIT: Final = 2 * (NESTING_LIMIT + 1)
_ADDED_DEPTH: Final = 3  # of a new element: itself, its group, and a row
_FIRST_OPERATOR: Final = "string.EQUAL"

GroupKind = Literal["all", "any", "none"]


class Row(Struct, frozen=True, kw_only=True):
    """One condition as it is typed. `value` has one line for each value where there can be several."""

    param: str = ""
    operator: str = _FIRST_OPERATOR
    value: str = ""
    to: str = ""
    ignore_case: bool = False


class Group(Struct, frozen=True, kw_only=True):
    """Conditions, groups and elements of which all, any or none must hold."""

    kind: GroupKind = "all"
    parts: tuple["Node", ...] = ()


class Element(Struct, frozen=True, kw_only=True):
    """One and the same element of the list `param`, which satisfies `where`."""

    param: str = ""
    where: Group = Group()


Node = Row | Group | Element


def tree_of(where: Filter) -> Group:
    """The tree that shows a filter."""
    shown = _shown(where)
    return shown if isinstance(shown, Group) else Group(parts=(shown,))


def source_of(node: Node) -> dict[str, object]:
    """The JSON form of a tree. What is typed wrongly stays a text, so that the filter language can say so."""
    match node:
        case Group():
            return {node.kind: [source_of(part) for part in node.parts]}
        case Element():
            return {"some": typed.unheld(node.param.strip()), "where": source_of(node.where)}
        case Row():
            return _condition_source(node)


def source_paths(tree: Group) -> dict[str, str]:
    """By the path of a node in the filter language, its place."""
    return {path: place for place, path, _ in _walk(tree, ROOT, "where")}


def read(form: Form) -> Group:
    """The tree that a form shows."""
    node = _read(form, ROOT, set(form.names()), 0)
    return node if isinstance(node, Group) else Group()


def changed(tree: Group, intent: str) -> tuple[Group, str]:
    """The tree after a button was pressed, and the place to go on at; as it was if there is no such button."""
    action, _, place = intent.partition(":")
    node, parent_place = find(tree, place), place.rpartition(".")[0]
    if action == "remove" and node is not None and isinstance(find(tree, parent_place), Group):
        return _at(tree, place, lambda _: None), parent_place
    if not isinstance(node, Group) or place.count(".") > DEPTH_LIMIT - _ADDED_DEPTH:
        return tree, ""
    new_place = f"{place}.{len(node.parts)}"
    new: Node
    match action:
        case "add-condition":
            new, focus = Row(), new_place
        case "add-group":
            new, focus = Group(kind="any", parts=(Row(),)), f"{new_place}.0"
        case "add-element":
            new, focus = Element(where=Group(parts=(Row(),))), new_place
        case _:
            return tree, ""
    added = replace(node, parts=(*node.parts, new))
    return _at(tree, place, lambda _: added), focus


def find(tree: Group, place: str) -> Node | None:
    """The node at a place."""
    return next((node for at, _, node in _walk(tree, ROOT, "where") if at == place), None)


def _walk(node: Node, place: str, path: str) -> Iterator[tuple[str, str, Node]]:
    yield place, path, node
    match node:
        case Group():
            for index, part in enumerate(node.parts):
                yield from _walk(part, f"{place}.{index}", f"{path}.{node.kind}[{index}]")
        case Element():
            yield from _walk(node.where, f"{place}.0", f"{path}.where")
        case Row():
            pass


def _at(tree: Group, place: str, change: Callable[[Node], Node | None]) -> Group:
    """The tree with the node at a place, which it has, changed, or taken away if the change is None."""
    result = _changed_node(tree, [int(index) for index in place.split(".")[1:]], change)
    return result if isinstance(result, Group) else Group()


def _changed_node(node: Node, steps: Sequence[int], change: Callable[[Node], Node | None]) -> Node | None:
    if not steps:
        return change(node)
    match node:
        case Group() if steps[0] < len(node.parts):
            part = _changed_node(node.parts[steps[0]], steps[1:], change)
            kept = () if part is None else (part,)
            return replace(node, parts=(*node.parts[: steps[0]], *kept, *node.parts[steps[0] + 1 :]))
        case Element():
            where = _changed_node(node.where, steps[1:], change)
            return replace(node, where=where) if isinstance(where, Group) else None
        case _:
            return node


def _read(form: Form, place: str, names: set[str], depth: int) -> Node | None:
    if depth > DEPTH_LIMIT:
        return None
    match form.text(f"kind:{place}"):
        case "all" | "any" | "none" as kind:
            parts = (_read(form, f"{place}.{index}", names, depth + 1) for index in range(_parts_of(place, names)))
            return Group(kind=kind, parts=tuple(part for part in parts if part is not None))
        case "element":
            where = _read(form, f"{place}.0", names, depth + 1)
            return Element(param=form.text(f"param:{place}"), where=where if isinstance(where, Group) else Group())
        case "condition":
            return Row(
                param=form.text(f"param:{place}"),
                operator=form.text(f"operator:{place}", _FIRST_OPERATOR),
                value=form.text(f"value:{place}"),
                to=form.text(f"to:{place}"),
                ignore_case=f"case:{place}" in names,
            )
        case _:
            return None


def _parts_of(place: str, names: set[str]) -> int:
    count = 0
    while f"kind:{place}.{count}" in names:
        count += 1
    return count


def _shown(where: Filter) -> Node:
    match where:
        case All(parts=parts):
            return Group(kind="all", parts=tuple(map(_shown, parts)))
        case AnyOf(parts=parts):
            return Group(kind="any", parts=tuple(map(_shown, parts)))
        case NoneOf(parts=parts):
            return Group(kind="none", parts=tuple(map(_shown, parts)))
        case Some():
            return Element(param=typed.held(join(where.path)), where=tree_of(where.where))
        case Condition():
            return _shown_condition(where)


def _shown_condition(condition: Condition) -> Row:
    operator = f"{condition.type}.{condition.operator}"
    value, to = typed.shown(shape_of(operator), condition.value)
    param = typed.held(join(condition.path))
    return Row(param=param, operator=operator, value=value, to=to, ignore_case=condition.ignore_case)


def _condition_source(row: Row) -> dict[str, object]:
    kind, _, name = row.operator.partition(".")
    source: dict[str, object] = {"param": typed.unheld(row.param.strip()), "type": kind, "operator": name}
    shape = shape_of(row.operator)
    if shape != "nothing":
        source["value"] = typed.operand(shape, row.value, row.to)
    if row.ignore_case and kind == "string":
        source["ignoreCase"] = True
    return source
