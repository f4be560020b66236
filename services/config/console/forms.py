"""What a browser sends, and what was wrong with it, beside the field that it is about."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from services.config.errors import Fault, InvalidError
from services.config.rest.errors import fault_of
from services.config.revisions import Expected

FIELDS_LIMIT: Final = 5_000
_REVISION_DIGITS: Final = 18
# What the decoder says of a type, and what it means for somebody who fills in a form.
_WORDS: Final = (
    (re.compile(r"Expected `str` of length >= (\d+)"), r"must have at least \1 characters"),
    (re.compile(r"Expected `str` of length <= (\d+)"), r"must not be longer than \1 characters"),
    (re.compile(r"Expected `\w+` >= ([\d.]+)"), r"must be at least \1"),
    (re.compile(r"Expected `\w+` <= ([\d.]+)"), r"must be at most \1"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), "must be a date and a time"),
    (re.compile(r"Invalid UUID"), "must be chosen from the list"),
    (re.compile(r"Expected.*|Invalid.*"), "is not valid"),
)

T = TypeVar("T")


class Form:
    """The fields of a submitted form, as texts. `intent` is the value of the button that sent it."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    @classmethod
    def decode(cls, body: bytes) -> "Form":
        """Read ``application/x-www-form-urlencoded``.

        Raises:
            InvalidError: it is none, or has too many fields.
        """
        fields: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_LIMIT
            )
        except ValueError as error:
            raise InvalidError([Fault("", "The form cannot be read, or has too many fields.")]) from error
        for name, value in pairs:
            fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
        return cls(fields)

    @property
    def intent(self) -> str:
        return self.text("intent")

    def text(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        values = self._fields.get(name)
        return values[-1] if values else default

    def texts(self, name: str) -> list[str]:
        """All values of a field, such as those of the boxes that are ticked."""
        return list(self._fields.get(name, ()))

    def lines(self, name: str) -> list[str]:
        """The lines of a field that have anything on them."""
        return [line.strip() for line in self.text(name).split("\n") if line.strip()]

    def names(self) -> Iterable[str]:
        return self._fields


def moment_in(form: Form, name: str) -> str | None:
    """The time in a field, which is in UTC, as RFC 3339 if it is one; None if the field is empty."""
    text = form.text(name).strip()
    if text:
        text += "Z" if text.count(":") > 1 else ":00Z"
    return text or None


def revision_in(form: Form) -> Expected:
    """The revision that a page has shown, which a change is meant for."""
    text = form.text("revision")
    return frozenset({int(text)}) if text.isascii() and text.isdecimal() and len(text) <= _REVISION_DIGITS else None


class Faults:
    """What is to be corrected: all of it above a form, and each beside its field."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.all = tuple(faults)

    def of(self, *fields: str) -> list[Fault]:
        """Those of these fields, or of a part of them."""
        return [fault for fault in self.all if any(_is_within(fault.field, one) for one in fields)]


def _is_within(field: str, of: str) -> bool:
    return field == of or field.startswith((f"{of}.", f"{of}["))


def convert(fields: Mapping[str, object], kind: type[T]) -> T:
    """The fields as the API takes them.

    Raises:
        InvalidError: one has the wrong form.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        fault = fault_of(error, kind)
        found = (match.expand(words) for known, words in _WORDS if (match := known.fullmatch(fault.message)))
        raise InvalidError([Fault(fault.field, next(found, fault.message))]) from error
