"""The one rule for short texts that people read, names and icons; and how names of ours are written for them."""

import re
import unicodedata
from typing import Final

from services.config.errors import Fault

# They turn around what follows, beyond the text itself: embeddings, overrides and isolates (Unicode, UAX 9).
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SNAKE: Final = re.compile(r"_([a-z])")


def camel_case(name: str) -> str:
    """A name of ours as it is in JSON."""
    return _SNAKE.sub(lambda match: match[1].upper(), name)


def check_text(given: str, field: str, limit: int, faults: list[Fault]) -> str:
    """The text without blanks around it; what is wrong with it is added to `faults`."""
    text = given.strip()
    if not text:
        faults.append(Fault(field, "must not be empty"))
    elif len(text) > limit:
        faults.append(Fault(field, f"must not be longer than {limit} characters"))
    elif any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        faults.append(Fault(field, "must not contain control characters"))
    elif not _TURNING.isdisjoint(text):
        faults.append(Fault(field, "must not contain characters that turn the direction of text around"))
    return text
