"""What becomes of the requests to each integration: counted with each of them, and of a few it is remembered what.

Strangers choose how many there are, so what is remembered is bounded, of each integration and of all together.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from libs.activity import Input, Rejection, shortened
from libs.identifiers import new_event_id
from services.ingress.timestamps import rfc3339

# Of duplicates and of rejections each, so that neither leaves the other without room.
REMEMBERED_LIMIT: Final = 10
REMEMBERED_OF_ALL_LIMIT: Final = 2_000


class Repetition(NamedTuple):
    """A duplicate: its hash, and what `libs.activity.Repetition` says of it, but who owns the hash."""

    key: str
    id: str
    at: str
    inputs: tuple[Input, ...]


class Taken(NamedTuple):
    """What a tally has counted and remembered since it was taken before. `give_back` undoes the taking."""

    tally: "Tally"
    accepted: int
    duplicates: int
    rejected: int
    repetitions: list[Repetition]
    rejections: list[Rejection]

    def give_back(self) -> None:
        self.tally.put_back(self)


class Tally:
    """Counts the requests to one integration, however often that is changed."""

    __slots__ = (
        "_accepted",
        "_duplicates",
        "_is_touched",
        "_rejected",
        "_rejections",
        "_repetitions",
        "_tallies",
        "integration_id",
    )

    def __init__(self, integration_id: str, tallies: "Tallies") -> None:
        self.integration_id = integration_id
        self._tallies = tallies
        self._is_touched = False
        self._accepted = self._duplicates = self._rejected = 0
        self._repetitions: list[Repetition] = []
        self._rejections: list[Rejection] = []

    def accept(self) -> None:
        self._accepted += 1
        if not self._is_touched:
            self._touch()

    def repeat(self, event_id: str, key: str, inputs: Callable[[], Iterable[Input]]) -> None:
        """Count a duplicate by this hash that would have become the event of this id.

        `inputs`, what it was hashed by, are asked for only if they can be remembered.
        """
        self._duplicates += 1
        if not self._is_touched:
            self._touch()
        if len(self._repetitions) < REMEMBERED_LIMIT and self._tallies.take_room():
            at = rfc3339(self._tallies.now_ns(), 6)
            shown = tuple(replace(one, value=shortened(one.value)) for one in inputs())
            self._repetitions.append(Repetition(key, event_id, at, shown))

    def reject(self, status: int, reason: Callable[[], str]) -> None:
        """Count a rejection; `reason`, for the integration's owner, is asked for only if it can be remembered."""
        self._rejected += 1
        if not self._is_touched:
            self._touch()
        if len(self._rejections) < REMEMBERED_LIMIT and self._tallies.take_room():
            at = rfc3339(self._tallies.now_ns(), 6)
            self._rejections.append(Rejection(id=new_event_id(), at=at, status=status, reason=reason()))

    def take(self) -> Taken:
        """Take everything; the tally begins anew."""
        taken = Taken(self, self._accepted, self._duplicates, self._rejected, self._repetitions, self._rejections)
        self._is_touched = False
        self._accepted = self._duplicates = self._rejected = 0
        self._repetitions, self._rejections = [], []
        return taken

    def put_back(self, taken: Taken) -> None:
        """Add what was taken; of what was remembered only while there is room."""
        if not self._is_touched:
            self._touch()
        self._accepted += taken.accepted
        self._duplicates += taken.duplicates
        self._rejected += taken.rejected
        for repetition in taken.repetitions:
            if len(self._repetitions) < REMEMBERED_LIMIT and self._tallies.take_room():
                self._repetitions.append(repetition)
        for rejection in taken.rejections:
            if len(self._rejections) < REMEMBERED_LIMIT and self._tallies.take_room():
                self._rejections.append(rejection)

    def _touch(self) -> None:
        self._is_touched = True
        self._tallies.touched.append(self)


class Tallies:
    """The tallies of all integrations. `touched` are those with something to take."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.now_ns = now_ns
        self.touched: list[Tally] = []
        self._room = REMEMBERED_OF_ALL_LIMIT

    def take_room(self) -> bool:
        """Whether there is room to remember one more request, which this one then has."""
        self._room -= 1
        return self._room >= 0

    def of(self, integration_id: str) -> Tally:
        return Tally(integration_id, self)

    def take(self) -> list[Taken]:
        """Take what there is, in the order in which it began."""
        touched, self.touched = self.touched, []
        self._room = REMEMBERED_OF_ALL_LIMIT
        return [tally.take() for tally in touched]
