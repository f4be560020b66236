"""The occasion of an evaluation: its time, and how much work it may cause.

Authors say how many conditions look at the elements of an array, senders how many elements there are and how long
their texts. Each of these has its own limit; what they multiply to has this one.
"""

from datetime import datetime
from time import thread_time
from typing import Final

import msgspec

WORK_LIMIT_S: Final = 1.0
"""Processor time for one event: far more than honest ones take, and far less than a session with Kafka bears."""

# A step is some 0.2 microseconds, so the clock is looked at every hundredth of a second, and never for most events.
_STEPS_PER_LOOK: Final = 1 << 16


class TooCostlyError(Exception):
    """The evaluation would take more processor time than one event may."""


class Occasion(msgspec.Struct):
    """One evaluation of filters for one event. `now` is aware; `limit_s` is processor time of this thread."""

    now: datetime
    limit_s: float = WORK_LIMIT_S
    steps: int = 0
    end_s: float | None = None

    def spend(self, steps: int) -> None:
        """Count what is about to be done, in steps of some 0.2 microseconds at worst.

        Raises:
            TooCostlyError: the time is over. Only looked at after many steps, and not ahead of them.
        """
        self.steps += steps
        if self.steps > _STEPS_PER_LOOK:
            self.steps = 0
            now_s = thread_time()
            if self.end_s is None:
                self.end_s = now_s + self.limit_s
            elif now_s > self.end_s:
                raise TooCostlyError
