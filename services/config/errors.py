"""What can be wrong with a request, whoever makes it. The edge maps each to an answer, in one place.

RequestError
├── InvalidError          what was given breaks a rule
├── UnauthenticatedError  nobody known asks
├── ForbiddenError        who asks lacks a permission
├── NotFoundError         not in this workspace, which looks the same as nowhere
│   └── SplitError        a request that was split, where an event is asked for
├── ConflictError         what was asked contradicts what is stored
├── OutdatedError         what was asked is about a state that is no more
├── UnseenError           what was asked would overwrite somebody else's change, which it does not mention
├── ThrottledError        asked too often
└── UnavailableError      the store, or Kafka, does not answer; nothing is known to have changed
"""

import math
from collections.abc import Sequence

from msgspec import Struct


class Fault(Struct, frozen=True):
    """One thing to correct; `field` is the path of the input it is about, empty for the whole."""

    field: str
    message: str


class RequestError(Exception):
    """A request that cannot be served as it is. The message is for its author, without internal values."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)


class InvalidError(RequestError):
    """Every fault that was found is in `faults`."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("The request is not valid.", faults)


class UnauthenticatedError(RequestError):
    """No session, or a login that fails."""


class ForbiddenError(RequestError):
    """The message names the permission."""


class NotFoundError(RequestError):
    """The thing does not exist, or belongs to another workspace."""


class SplitError(NotFoundError):
    """A request that became these events, of which the first are in `event_ids`; the faults name them too."""

    def __init__(self, event_ids: Sequence[str]) -> None:
        message = (
            "This is a request that was split: each of its parts is an event of its own, unless it was a duplicate. "
            "Explain one of these, with its integrationId."
        )
        super().__init__(message, [Fault("events", event_id) for event_id in event_ids])
        self.event_ids = tuple(event_ids)


class ConflictError(RequestError):
    """The faults name what stands in the way."""


class OutdatedError(RequestError):
    """Read again what is there now."""


class UnseenError(RequestError):
    """Say which state the change is for."""


class ThrottledError(RequestError):
    """Trying again after `retry_after_s` helps."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("There were too many attempts. Try again later.")
        self.retry_after_s = math.ceil(retry_after_s)


class UnavailableError(RequestError):
    """Trying again later may help."""

    def __init__(self, message: str = "The store does not answer at the moment. Try again.") -> None:
        super().__init__(message)
