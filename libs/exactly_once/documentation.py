"""Messages in the AsyncAPI document, which FastStream generates through pydantic and so without msgspec's structs."""

from typing import Annotated, Final, cast

import msgspec
from msgspec import Struct
from pydantic import WithJsonSchema

_PREFIX: Final = "#/$defs/"


def payload(message: type[Struct]) -> object:
    """A type for FastStream's ``schema`` arguments that is documented as this message is."""
    schema = msgspec.json.schema(message, schema_hook=lambda _: {"description": "any JSON value"})
    inlined = cast("dict[str, object]", _inlined(schema, schema["$defs"]))
    return Annotated[dict[str, object], WithJsonSchema(inlined)]


def _inlined(node: object, definitions: dict[str, object]) -> object:
    """Put definitions in the place of the references to them."""
    match node:
        case {"$ref": str(name)}:
            return _inlined(definitions[name.removeprefix(_PREFIX)], definitions)
        case dict():
            return {key: _inlined(value, definitions) for key, value in node.items()}
        case list():
            return [_inlined(value, definitions) for value in node]
        case _:
            return node
