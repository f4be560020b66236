"""The values that a field of a closed set may have, found in the type that is decoded."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import inspect

_SEGMENT: Final = re.compile(r"\[[^]]*\]|[^.\[]+")


def choices(kind: object, path: str) -> Sequence[str]:
    """The values of the field at a path of msgspec in what is decoded as `kind`; none where it is no closed set."""
    types = list(_members(inspect.type_info(kind)))
    for segment in _SEGMENT.findall(path):
        types = [inner for one in types for inner in _inside(one, segment)]
    return [str(value) for one in types for value in _values(one)]


def _members(found: inspect.Type) -> Iterator[inspect.Type]:
    match found:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _members(one)
        case inspect.Metadata(type=inner):
            yield from _members(inner)
        case _:
            yield found


def _inside(found: inspect.Type, segment: str) -> Iterator[inspect.Type]:
    match found:
        case inspect.StructType(tag_field=tag_field, tag=tag) if tag_field == segment:
            yield inspect.LiteralType((tag,))
        case inspect.StructType(fields=fields):
            for field in fields:
                if field.encode_name == segment:
                    yield from _members(field.type)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item) if segment.startswith("["):
            yield from _members(item)


def _values(found: inspect.Type) -> Iterable[object]:
    match found:
        case inspect.LiteralType(values=values):
            return values
        case inspect.EnumType(cls=cls):
            return [one.value for one in cls]
        case _:
            return ()
