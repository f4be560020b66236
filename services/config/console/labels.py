"""What the API calls by a name, in the words of the console: operators, and the fields that faults are about."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from libs.filters.language import OPERATORS, Condition, Group, Shape, Some
from libs.parameters import join

_TYPES: Final = {
    "string": "Text",
    "number": "Number",
    "boolean": "Yes or no",
    "date": "Date",
    "array": "List",
    "any": "Any value",
}
_LABELS: Final[Mapping[str, str]] = {
    "string.EQUAL": "is",
    "string.NOT_EQUAL": "is not",
    "string.CONTAIN": "contains",
    "string.NOT_CONTAIN": "does not contain",
    "string.STARTS_WITH": "starts with",
    "string.ENDS_WITH": "ends with",
    "string.REGEXP": "matches the pattern",
    "string.IN": "is one of",
    "string.NOT_IN": "is none of",
    "number.EQUAL": "=",
    "number.NOT_EQUAL": "≠",
    "number.LESS": "<",
    "number.MORE": ">",
    "number.LESS_OR_EQUAL": "≤",
    "number.MORE_OR_EQUAL": "≥",
    "number.BETWEEN": "is between",
    "number.IN": "is one of the numbers",
    "number.NOT_IN": "is none of the numbers",
    "boolean.IS_TRUE": "is true",
    "boolean.IS_FALSE": "is false",
    "date.EQUAL": "is on",
    "date.MORE": "is on or after",
    "date.LESS": "is on or before",
    "date.BETWEEN": "is from … to …",
    "date.MATCHES_CURRENT_HOUR": "is in the hour of receipt",
    "date.MATCHES_CURRENT_DAY": "is on the day of receipt",
    "date.MATCHES_CURRENT_MONTH": "is in the month of receipt",
    "date.MATCHES_CURRENT_YEAR": "is in the year of receipt",
    "array.CONTAIN": "contains the element",
    "array.NOT_CONTAIN": "does not contain the element",
    "array.IS_EMPTY": "is empty",
    "array.IS_NOT_EMPTY": "is not empty",
    "array.LENGTH_EQUAL": "has as many elements as",
    "array.LENGTH_MORE": "has more elements than",
    "array.LENGTH_LESS": "has fewer elements than",
    "any.EXISTS": "is there",
    "any.NOT_EXISTS": "is not there",
    "any.IS_NULL": "is null",
    "any.IS_NOT_NULL": "is there and not null",
}

GROUP_NAMES: Final[Mapping[str, str]] = {
    "all": "All of these hold",
    "any": "Any of these holds",
    "none": "None of these holds",
}

_INDEXED: Final = re.compile(r"\[(\d{1,9})\]$")
_FIELDS: Final[Mapping[str, str]] = {
    "name": "Name",
    "icon": "Node icon",
    "auth.apiKeyId": "API key",
    "auth.appSecret": "App secret",
    "auth.verifyToken": "Verify token",
    "auth": "Authentication",
    "rateLimit.perSecond": "Requests per second",
    "rateLimit.burst": "At once",
    "rateLimit": "Rate limit",
    "deduplication.parameters": "Parameter",
    "deduplication": "Deduplication",
    "sample.body": "Body of a request",
    "sample": "Test",
    "param": "Parameter",
    "some": "List",
    "operator": "Operator",
    "type": "Operator",
    "value": "Value",
    "where": "Conditions",
    "expiresAt": "Expires",
    "allowedIps": "Allowed address",
    "email": "Email address",
    "password": "Password",
    "currentPassword": "Current password",
    "permissions": "Permissions",
    "businessEvents": "Business Event",
    "integrationId": "Integration",
    "cause": "Cause",
    "service": "Service",
    "since": "Received from",
    "until": "Received before",
    "id": "Place",
}


def label_of(operator: str) -> str:
    """The words for ``<type>.<OPERATOR>``."""
    return _LABELS.get(operator, operator)


def shape_of(operator: str) -> Shape:
    """What ``<type>.<OPERATOR>`` takes; nothing if there is no such one."""
    kind, _, name = operator.partition(".")
    return OPERATORS.get(kind, {}).get(name, "nothing")


def type_name(value: object) -> str:
    """The type of a JSON value, as a filter names it where it can."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"


# For the list of operators: each type with its own.
OPERATOR_GROUPS: Final = tuple(
    (_TYPES[kind], tuple((f"{kind}.{name}", label_of(f"{kind}.{name}")) for name in operators))
    for kind, operators in OPERATORS.items()
)


def field_name(path: str) -> str:
    """What people call the field that a fault is about; empty for the whole."""
    name, index = _INDEXED.sub("", path), _INDEXED.search(path)
    known = next((name_ for start, name_ in _FIELDS.items() if name == start or name.startswith(f"{start}.")), path)
    return known if index is None or known == path else f"{known} {int(index[1]) + 1}"


def condition_text(condition: Condition | Some | Group) -> str:
    """A condition in words, or a group that has none."""
    if isinstance(condition, Group):
        return "no conditions"
    if isinstance(condition, Some):
        return f"one and the same element of {join(condition.path)} satisfies what follows"
    operator = f"{condition.type}.{condition.operator}"
    words = f"{join(condition.path)} {label_of(operator)}"
    if shape_of(operator) != "nothing":
        words += f" {msgspec.json.encode(condition.value).decode()}"
    return f"{words}, in any case" if condition.ignore_case else words
