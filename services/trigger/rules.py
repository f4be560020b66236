"""The active Business Events as matchers, one for each integration, kept current from the definitions."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from libs.definitions import Changes
from libs.exactly_once.outcomes import NotNowError
from libs.filters import Filter, Matcher, compile_matcher, parse
from libs.messages import BusinessEvent, BusinessEventRef, Definition, Undecodable

KINDS: Final = frozenset({"business-event"})
"""The kinds of definitions that are followed."""

Rule = tuple[BusinessEventRef, Filter, ZoneInfo]

_BUSINESS_EVENT: Final = "business-event/"
# So many rules are compiled in a thousandth of a second or a few, which an event can wait for.
_FEW: Final = 50
# Changes are taken in so many at a time, with a turn for others in between.
_AT_ONCE: Final = 500


class UnusableBusinessEventError(NotNowError):
    """A Business Event that this version cannot match: events must wait rather than pass it by."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"{key} cannot be used by this version: {reason}. Events wait. Run the version that wrote it, or change it"
        )


class IntegrationRules:
    """The rules of one integration, compiled when the first event needs them: most integrations are quiet."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._matcher: Matcher[BusinessEventRef] | None = None

    # No `cached_property`: those of all instances wait for each other in Python 3.11, and some are made in a thread.
    @property
    def matcher(self) -> Matcher[BusinessEventRef]:
        """The compiled rules, which answer in their order.

        Raises:
            UnusableBusinessEventError: they cannot be compiled.
        """
        if self._matcher is None:
            try:
                self._matcher = compile_matcher(self.rules)
            except Exception as error:
                raise _unusable(self.rules, error) from error
        return self._matcher


Matchers = Mapping[str, IntegrationRules]


class Rules:
    """Follows the Business Events. `matchers`, by integration id, is replaced as a whole and never changed."""

    def __init__(self) -> None:
        self.matchers: Matchers = {}
        self.loaded = asyncio.Event()
        self._active: dict[str, dict[str, Rule]] = defaultdict(dict)
        self._integrations: dict[str, str] = {}

    async def apply(self, changes: Changes) -> None:
        """Take in changed definitions; only the integrations whose Business Events changed are compiled anew.

        Raises:
            UnusableBusinessEventError: one of them cannot be read, or together they cannot be compiled.
        """
        touched: set[str] = set()
        for number, (key, definition) in enumerate(changes.items()):
            if key.startswith(_BUSINESS_EVENT):
                touched |= self._replace(key, definition)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        changed = {one: rules_of(self._active[one].values()) for one in touched if one in self._active}
        for rules in changed.values():
            if len(rules.rules) > _FEW:
                await asyncio.to_thread(getattr, rules, "matcher")
        kept = {integration: it for integration, it in self.matchers.items() if integration not in touched}
        self.matchers = {**kept, **changed}
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
                self._active[integration][key] = _rule(definition)
                touched.add(integration)
            case BusinessEvent(state="paused") | None:
                pass
            case Undecodable(reason=reason):
                raise UnusableBusinessEventError(key, reason)
            case _:
                raise UnusableBusinessEventError(key, "it is not a Business Event")
        return touched


def rules_of(rules: Iterable[Rule]) -> IntegrationRules:
    """The rules of one integration, in the order of their ids."""
    return IntegrationRules(sorted(rules, key=lambda rule: rule[0].id))


def compile_rules(business_events: Iterable[BusinessEvent]) -> IntegrationRules:
    """The rules of Business Events of one integration.

    Raises:
        UnusableBusinessEventError: a filter or time zone that this version does not know.
    """
    return rules_of(map(_rule, business_events))


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
