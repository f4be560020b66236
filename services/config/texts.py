"""The one rule for short texts that people read: names, icons."""

import unicodedata

from services.config.errors import Fault


def check_text(given: str, field: str, limit: int, faults: list[Fault]) -> str:
    """The text without blanks around it; what is wrong with it is added to `faults`."""
    text = given.strip()
    if not text:
        faults.append(Fault(field, "must not be empty"))
    elif len(text) > limit:
        faults.append(Fault(field, f"must not be longer than {limit} characters"))
    elif any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        faults.append(Fault(field, "must not contain control characters"))
    return text
