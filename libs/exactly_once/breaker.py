"""Stops a service that turns most of what it reads into dead letters: then the service is wrong, not the records."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from libs.exactly_once.outcomes import BLAMELESS, DeadLetter, Outcome, Record
from libs.replays import origin_of

WINDOW_RECORDS: Final = 100
DEAD_LETTERS_AT_LEAST: Final = 20


class MostRecordsFailError(Exception):
    """More than half of the last records became dead letters. Nothing of the current portion was committed."""


class Breaker:
    """Remembers of the last `WINDOW_RECORDS` committed records which were dead letters."""

    def __init__(self) -> None:
        self._window: deque[bool] = deque(maxlen=WINDOW_RECORDS)

    def trips(self, dead: Iterable[bool]) -> bool:
        """Whether, after any of these further records, most of the window would be dead letters."""
        window = self._window.copy()
        for one in dead:
            window.append(one)
            if one and _most_are_dead(window):
                return True
        return False

    def note(self, dead: Iterable[bool]) -> None:
        """Remember records that were committed."""
        self._window.extend(dead)


def failures(records: Sequence[Record], outcomes: Sequence[Outcome]) -> list[bool]:
    """Which records became dead letters, of those that say anything about the service.

    A replay that fails does not: it has failed before, and whoever replays too early must not stop the service.
    """
    return [
        isinstance(outcome, DeadLetter)
        for record, outcome in zip(records, outcomes, strict=False)  # all, or the first of them
        if not isinstance(outcome, DeadLetter) or (outcome not in BLAMELESS and origin_of(record.headers) is None)
    ]


def _most_are_dead(window: deque[bool]) -> bool:
    count = sum(window)
    return count >= DEAD_LETTERS_AT_LEAST and 2 * count > len(window)
