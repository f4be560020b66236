"""Patterns written by authors: RE2, whose time is at most the size of the pattern's program times that of the text."""

from collections.abc import Callable
from typing import Final

import re2

from libs.filters.occasion import Occasion

SEARCH_LIMIT: Final = 64 * 1024
"""How many characters a text may have for a pattern to be searched in it; a longer one contains no match."""

# A pattern's program and its lazily built automaton share this budget; past it RE2 falls back to a slower, exact
# way to match, and a pattern whose program alone is larger is refused.
_MEMORY_LIMIT_BYTES: Final = 64 * 1024
# RE2 then takes some 10 ns for each instruction and character: a program of more than 128 gets fewer characters, so
# that one search takes 0.1 to 0.2 s at worst.
_WORK_LIMIT: Final = 128 * SEARCH_LIMIT
_INSTRUCTIONS_PER_STEP: Final = 16


def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Callable[[str, Occasion], bool]:
    """Whether a text contains a match of the pattern, anywhere; never if it is longer than may be searched.

    Raises:
        ValueError: not a pattern that RE2 takes; the message says why.
    """
    options = re2.Options()
    options.max_mem = _MEMORY_LIMIT_BYTES
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as fault:
        reason = fault.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from fault

    search, size = compiled.search, max(1, compiled.programsize)
    limit = min(SEARCH_LIMIT, _WORK_LIMIT // size)

    def matches(text: str, occasion: Occasion) -> bool:
        if len(text) > limit:
            return False
        occasion.spend(len(text) * size // _INSTRUCTIONS_PER_STEP)
        # Bytes spare the search its character offsets; a lone surrogate is no character and matches none.
        return search(text.encode(errors="surrogatepass")) is not None

    return matches
