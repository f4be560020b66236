"""Messages as a later release may write them: with a field more in every object, and an element more in every array
that stands for one.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import fields


def grown(message: Struct, name: str = "later", value: object = True) -> bytes:  # noqa: FBT002 any JSON will do
    """The message with an unknown field, which has this name and value, in each of its objects."""
    return msgspec.json.encode(_grown(message, name, value))


def _grown(message: object, name: str, value: object) -> object:
    match message:
        case Raw():
            return message
        case Struct():
            config = message.__struct_config__
            said = dict(_said(message, name, value))
            if config.array_like:
                return [*([config.tag] if config.tag else []), *said.values(), value]
            return ({config.tag_field: config.tag} if config.tag_field else {}) | said | {name: value}
        case tuple() | list():
            return [_grown(one, name, value) for one in message]
        case dict():
            return {key: _grown(one, name, value) for key, one in message.items()}
        case _:
            return message


def _said(message: Any, name: str, value: object) -> Iterator[tuple[str, object]]:  # noqa: ANN401 any struct
    for field in fields(message):
        said = getattr(message, field.name)
        if said is not UNSET:
            yield field.encode_name, _grown(said, name, value)
