"""The active Business Events as matchers, one for each integration, kept current from the definitions."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from libs.definitions import Changes
from libs.filters import Filter, Matcher, compile_matcher, parse
from libs.messages import BusinessEvent, BusinessEventRef, Definition, Undecodable

Matchers = Mapping[str, Matcher[BusinessEventRef]]
Rule = tuple[BusinessEventRef, Filter, ZoneInfo]

_BUSINESS_EVENT: Final = "business-event/"


class UnusableBusinessEventError(Exception):
    """A Business Event that this version cannot match: events must wait rather than pass it by."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"{key} cannot be used by this version: {reason}. Events wait. Run the version that wrote it, or change it"
        )


class Rules:
    """Follows the Business Events. `matchers`, by integration id, is replaced as a whole and never changed."""

    def __init__(self) -> None:
        self.matchers: Matchers = {}
        self.loaded = asyncio.Event()
        self._active: dict[str, dict[str, BusinessEvent]] = defaultdict(dict)
        self._integrations: dict[str, str] = {}

    async def apply(self, changes: Changes) -> None:
        """Take in changed definitions; only the integrations whose Business Events changed are compiled anew.

        Raises:
            UnusableBusinessEventError: one of them cannot be decoded or compiled.
        """
        touched: set[str] = set()
        for key, definition in changes.items():
            if key.startswith(_BUSINESS_EVENT):
                touched |= self._replace(key, definition)
        active = {integration: list(self._active.get(integration, {}).values()) for integration in touched}
        compiled = await asyncio.to_thread(_compile_all, active)
        kept = {integration: it for integration, it in self.matchers.items() if integration not in touched}
        self.matchers = {**kept, **compiled}
        self.loaded.set()

    def _replace(self, key: str, definition: Definition | Undecodable | None) -> set[str]:
        """Note one definition; the integrations that it has left or joined."""
        touched: set[str] = set()
        if key in self._integrations:
            former = self._integrations.pop(key)
            del self._active[former][key]
            if not self._active[former]:
                del self._active[former]
            touched.add(former)
        match definition:
            case BusinessEvent(state="active", integration_id=integration):
                self._integrations[key] = integration
                self._active[integration][key] = definition
                touched.add(integration)
            case BusinessEvent(state="paused") | None:
                pass
            case Undecodable(reason=reason):
                raise UnusableBusinessEventError(key, reason)
            case _:
                raise UnusableBusinessEventError(key, "it is not a Business Event")
        return touched


def _compile_all(active: Mapping[str, Iterable[BusinessEvent]]) -> dict[str, Matcher[BusinessEventRef]]:
    return {integration: compile_rules(some) for integration, some in active.items() if some}


def compile_rules(business_events: Iterable[BusinessEvent]) -> Matcher[BusinessEventRef]:
    """Compile the matcher of one integration; it answers in the order of the ids.

    Raises:
        UnusableBusinessEventError: a filter or time zone that this version does not know or cannot compile.
    """
    rules = [_rule(one) for one in sorted(business_events, key=lambda one: one.id)]
    try:
        return compile_matcher(rules)
    except Exception as error:
        raise _unusable(rules, error) from error


def _rule(one: BusinessEvent) -> Rule:
    try:
        ref = BusinessEventRef(id=one.id, name=one.name, version=one.version)
        return ref, parse(one.where), ZoneInfo(one.time_zone)
    except Exception as error:
        raise UnusableBusinessEventError(_BUSINESS_EVENT + one.id, str(error)) from error


def _unusable(rules: Sequence[Rule], joint: Exception) -> UnusableBusinessEventError:
    """What to say of rules that do not compile: the first that does not on its own, or else all of them."""
    for rule in rules:
        try:
            compile_matcher([rule])
        except Exception as error:  # noqa: BLE001 whatever it raises, it is the one
            return UnusableBusinessEventError(_BUSINESS_EVENT + rule[0].id, repr(error))
    together = " and ".join(_BUSINESS_EVENT + ref.id for ref, _, _ in rules)
    return UnusableBusinessEventError(together, repr(joint))
