r"""Values as they are typed into the fields of a form, and back, without loss.

A browser changes line breaks, and drops what else no keyboard has; blanks at the edges are dropped here, because they
come along when something is pasted. A text with any of these stands in its field as JSON: ``"two\nlines"``.
"""

import re
from typing import Final

import msgspec

from libs.filters.language import Operand, Shape

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def held(text: str) -> str:
    """A text as a field holds it."""
    return _json(text) if _needs_quotes(text) else text


def unheld(typed: str) -> str:
    """The text that a field holds; whoever types quotes means them."""
    quoted = _quoted(typed)
    return quoted if quoted is not None and _needs_quotes(quoted) else typed


def shown(shape: Shape, value: Operand) -> tuple[str, str]:
    """What stands in the field of an operand, and in the second one of a range."""
    match shape:
        case "nothing":
            return "", ""
        case "number bounds" | "date bounds" if isinstance(value, tuple):
            return _text_of(value[0]), _text_of(value[1])
        case "scalar":
            is_plain = isinstance(value, str) and not _needs_quotes(value) and _scalar(value) == value
            return str(value) if is_plain else _json(value), ""
        case _ if isinstance(value, tuple):
            return "\n".join(map(_line, value)), ""
        case _:
            return held(value) if isinstance(value, str) else _json(value), ""


def operand(shape: Shape, value: str, to: str) -> object:
    """The operand that two fields hold. What is typed wrongly stays a text, for the filter language to say so."""
    match shape:
        case "texts":
            return [_text(line) for line in value.split("\n") if line]
        case "numbers":
            return [_number(line) for line in value.split("\n") if line.strip()]
        case "number bounds":
            return [_number(value), _number(to)]
        case "date bounds":
            return [value.strip(), to.strip()]
        case _:
            return _single_operand(shape, value)


def _single_operand(shape: Shape, value: str) -> object:
    match shape:
        case "number" | "length":
            return _number(value)
        case "scalar":
            return _scalar(value)
        case "date":
            return value.strip()
        case _:
            return unheld(value)


def _needs_quotes(text: str) -> bool:
    if text != text.strip() or _CONTROL.search(text):
        return True
    quoted = _quoted(text)
    return quoted is not None and _needs_quotes(quoted)  # it would be taken for the other


def _quoted(text: str) -> str | None:
    """The text that a JSON string stands for; None if it is no such string."""
    value = _scalar(text) if text.startswith('"') else None
    return value if isinstance(value, str) and value != text else None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _line(value: object) -> str:
    """A value on a line of its own. There every text in quotes is JSON."""
    is_plain = isinstance(value, str) and value and not value.startswith('"') and not _needs_quotes(value)
    return str(value) if is_plain else _json(value)


def _text(line: str) -> str:
    quoted = _quoted(line)
    return line if quoted is None else quoted


def _number(text: str) -> object:
    """The number that a text is; the text where it is none."""
    value = _scalar(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _scalar(text: str) -> object:
    """What a text is as JSON, if that is no object and no array; otherwise the text."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value
