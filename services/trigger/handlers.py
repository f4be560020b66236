"""The trigger service's step: events in, triggers and dead letters out."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from libs import telemetry
from libs.exactly_once.outcomes import DeadLetter, Decider, Decision, Outcome, Record
from libs.messages import definitions_offset
from services.trigger.matching import match
from services.trigger.rules import Rules


class Matching:
    """Matches portions of events with the Business Events, at least those that were defined before their requests.

    `reach` returns once the definitions are known up to an offset, or raises after a time.
    """

    def __init__(self, rules: Rules, reach: Callable[[int], Awaitable[None]]) -> None:
        self._rules = rules
        self._reach = reach
        self._decider = Decider[Decision]()

    async def step(self, records: Sequence[Record]) -> list[Decision]:
        """Decide about events of one partition, in order, see `Stage`.

        Raises:
            DefinitionsBehindError: what their requests were accepted with is not known here in time.
        """
        await self._reach(max(definitions_offset(record.headers) for record in records))
        decided = await self._decider.each(partial(match, self._rules.matchers), records)
        return [Decision(one) if isinstance(one, DeadLetter) else one for one in decided]


def count(outcomes: Sequence[Outcome]) -> None:
    """Count committed events and their triggers."""
    matched = [outcome for outcome in outcomes if not isinstance(outcome, DeadLetter)]
    telemetry.EVENTS_MATCHED.inc(len(matched))
    telemetry.TRIGGERS.inc(sum(map(len, matched)))
