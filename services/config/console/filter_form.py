"""The condition builder: a filter as rows and groups of a form, and back, without loss.

Every node has a place: the root is ``0``, its parts ``0.0``, ``0.1`` and so on. A place names the fields of the node
(``param:0.1``), the buttons that change the tree (``remove:0.1``), and, by `source_paths`, what the filter language
calls the node (``where.all[1]``) in faults and explanations.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from libs.filters.language import All, AnyOf, Condition, Filter, NoneOf, Shape, Some
from libs.parameters import join
from services.config.console.forms import Form
from services.config.console.labels import shape_of

ROOT: Final = "0"
_DEPTH_LIMIT: Final = 16
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
            return {"some": node.param.strip(), "where": source_of(node.where)}
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
    """The tree after a button was pressed, and the place to go on typing at."""
    action, _, place = intent.partition(":")
    new: dict[str, Node] = {
        "add-condition": Row(),
        "add-group": Group(kind="any", parts=(Row(),)),
        "add-element": Element(where=Group(parts=(Row(),))),
    }
    if action == "remove":
        return _at(tree, place, lambda _: None), place.rpartition(".")[0] or ROOT
    if action in new:
        group = find(tree, place)
        if isinstance(group, Group):
            added = replace(group, parts=(*group.parts, new[action]))
            return _at(tree, place, lambda _: added), f"{place}.{len(group.parts)}"
    return tree, ""


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
    """The tree with the node at a place changed, or taken away if the change is None. The root stays a group."""
    result = _changed_node(tree, [int(index) for index in place.split(".")[1:] if index.isdecimal()], change)
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
    kind = form.text(f"kind:{place}")
    if kind in {"all", "any", "none"}:
        indexes = range(_parts_of(place, names)) if depth < _DEPTH_LIMIT else range(0)
        parts = (_read(form, f"{place}.{index}", names, depth + 1) for index in indexes)
        return Group(kind=msgspec.convert(kind, GroupKind), parts=tuple(part for part in parts if part is not None))
    if kind == "element":
        where = _read(form, f"{place}.0", names, depth + 1)
        return Element(param=form.text(f"param:{place}"), where=where if isinstance(where, Group) else Group())
    if kind == "condition":
        return Row(
            param=form.text(f"param:{place}"),
            operator=form.text(f"operator:{place}", _FIRST_OPERATOR),
            value=form.text(f"value:{place}"),
            to=form.text(f"to:{place}"),
            ignore_case=f"case:{place}" in names,
        )
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
            return Element(param=join(where.path), where=tree_of(where.where))
        case Condition():
            return _shown_condition(where)


def _shown_condition(condition: Condition) -> Row:
    operator = f"{condition.type}.{condition.operator}"
    row = Row(param=join(condition.path), operator=operator, ignore_case=condition.ignore_case)
    value = condition.value
    match shape_of(operator):
        case "nothing":
            return row
        case "number bounds" | "date bounds" if isinstance(value, tuple):
            return replace(row, value=_typed(value[0]), to=_typed(value[1]))
        case "scalar":
            return replace(row, value=_scalar_text(value))
        case _ if isinstance(value, tuple):
            return replace(row, value="\n".join(map(_line, value)))
        case _:
            return replace(row, value=_typed(value))


def _typed(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _line(value: object) -> str:
    """A value on a line of its own; a text that a line cannot hold as it is, as JSON."""
    if isinstance(value, str) and (not value.strip() or "\n" in value or value.startswith('"')):
        return msgspec.json.encode(value).decode()
    return _typed(value)


def _scalar_text(value: object) -> str:
    """A text as it is, unless it would be read as something else."""
    return value if isinstance(value, str) and _scalar(value) == value else msgspec.json.encode(value).decode()


def _condition_source(row: Row) -> dict[str, object]:
    kind, _, name = row.operator.partition(".")
    source: dict[str, object] = {"param": row.param.strip(), "type": kind, "operator": name}
    shape = shape_of(row.operator)
    if shape != "nothing":
        source["value"] = _operand(shape, row)
    if row.ignore_case and kind == "string":
        source["ignoreCase"] = True
    return source


def _operand(shape: Shape, row: Row) -> object:
    lines = [line for line in row.value.split("\n") if line]
    match shape:
        case "texts":
            return [_text(line) for line in lines]
        case "numbers":
            return [_number(line) for line in lines if line.strip()]
        case "number" | "length":
            return _number(row.value)
        case "number bounds" | "date bounds":
            bounds = (row.value.strip(), row.to.strip())
            return list(bounds if shape == "date bounds" else map(_number, bounds))
        case "scalar":
            return _scalar(row.value)
        case _:
            return row.value.strip() if shape == "date" else row.value


def _number(text: str) -> object:
    """The number that a text is; the text where it is none."""
    value = _scalar(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _text(line: str) -> object:
    value = _scalar(line) if line.startswith('"') else line
    return value if isinstance(value, str) else line


def _scalar(text: str) -> object:
    """What a text is as JSON, if that is no object and no array; otherwise the text."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value
