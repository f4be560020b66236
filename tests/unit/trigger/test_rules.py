import asyncio
import threading
from collections.abc import Sequence

import msgspec
import pytest

from libs.definitions import Changes
from libs.filters import Matcher, compile_matcher
from libs.messages import BusinessEvent, BusinessEventRef, Integration, NoAuth, Undecodable
from services.trigger import rules as rules_module
from services.trigger.rules import Rule, Rules, UnusableBusinessEventError
from tests.eventually import eventually
from tests.unit.trigger.events import HIGH, NOW, business_event


def changes(*definitions: BusinessEvent) -> Changes:
    return {f"business-event/{definition.id}": definition for definition in definitions}


def matched(rules: Rules, integration: str = "i", priority: str = "high") -> list[str]:
    found = rules.matchers.get(integration)
    return [ref.id for ref in found.matcher.match({"priority": priority}, {}, NOW)] if found is not None else []


async def test_nothing_matches_and_nothing_is_loaded_before_the_first_definitions() -> None:
    rules = Rules()
    assert (matched(rules), rules.loaded.is_set()) == ([], False)
    await rules.apply({})
    assert rules.loaded.is_set()


async def test_active_business_events_match_in_the_order_of_their_ids() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("b"), business_event("c", state="paused"), business_event("a")))
    assert matched(rules) == ["a", "b"]
    assert matched(rules, priority="low") == []
    assert matched(rules, integration="j") == []


async def test_a_business_event_can_be_paused_activated_changed_moved_and_deleted() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("a"), business_event("b")))
    await rules.apply(changes(business_event("a", state="paused")))
    assert matched(rules) == ["b"]
    await rules.apply(changes(business_event("a"), business_event("b", HIGH | {"value": "low"})))
    assert (matched(rules), matched(rules, priority="low")) == (["a"], ["b"])
    await rules.apply(changes(business_event("a", integration="j")))
    assert (matched(rules), matched(rules, integration="j")) == ([], ["a"])
    await rules.apply({"business-event/a": None, "business-event/b": None, "business-event/never-was": None})
    assert (matched(rules, priority="low"), matched(rules, integration="j")) == ([], [])


async def test_a_snapshot_in_use_is_never_changed() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("a")))
    before = rules.matchers
    await rules.apply(changes(business_event("b")))
    assert [ref.id for ref in before["i"].matcher.match({"priority": "high"}, {}, NOW)] == ["a"]


async def test_only_the_integrations_of_changed_business_events_are_compiled_anew() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("a"), business_event("b", integration="j")))
    before = rules.matchers
    integration = Integration(id="i", workspace="w", name="I", version=2, auth=NoAuth())
    await rules.apply({"integration/i": integration, **changes(business_event("c", integration="j"))})
    assert rules.matchers["i"] is before["i"]
    assert rules.matchers["j"] is not before["j"]


async def test_business_events_of_one_integration_stay_out_of_the_memory_of_others() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("a")))
    await rules.apply({"business-event/a": None})
    assert dict(rules.matchers) == {}


@pytest.mark.parametrize(
    "unusable",
    [
        Undecodable(reason="Object contains unknown state"),
        Integration(id="a", workspace="w", name="A", version=1, auth=NoAuth()),
        business_event("a", HIGH | {"operator": "SOUNDS_LIKE"}),
        msgspec.structs.replace(business_event("a"), time_zone="Middle/Earth"),
        msgspec.structs.replace(business_event("a"), time_zone="../etc"),
        msgspec.structs.replace(business_event("a"), time_zone="Europe"),
    ],
)
async def test_a_business_event_that_cannot_be_used_is_an_error_that_says_what_to_do(
    unusable: BusinessEvent | Integration | Undecodable,
) -> None:
    with pytest.raises(UnusableBusinessEventError, match=r"business-event/a cannot be used .* Events wait\. Run"):
        await Rules().apply({"business-event/a": unusable})


@pytest.mark.parametrize(
    ("failing", "named"), [({"b"}, "business-event/b"), ({"a", "c"}, "business-event/a and .*b and business-event/c")]
)
async def test_whatever_fails_in_compiling_is_put_down_to_the_business_event_that_causes_it(
    monkeypatch: pytest.MonkeyPatch, failing: set[str], named: str
) -> None:
    def compile_some(some: Sequence[Rule]) -> Matcher[BusinessEventRef]:
        if failing <= {ref.id for ref, _, _ in some}:
            raise RecursionError("too deep")
        return compile_matcher(some)

    monkeypatch.setattr(rules_module, "compile_matcher", compile_some)
    rules = Rules()
    await rules.apply(changes(*map(business_event, "abc")))
    with pytest.raises(UnusableBusinessEventError, match=rf"^{named} cannot be used .*too deep"):
        matched(rules)


async def test_few_rules_are_compiled_with_the_first_event_and_many_before_events_meet_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[int] = []

    def compile_and_note(some: Sequence[Rule]) -> Matcher[BusinessEventRef]:
        compiled.append(len(some))
        return compile_matcher(some)

    monkeypatch.setattr(rules_module, "compile_matcher", compile_and_note)
    rules = Rules()
    many = [business_event(f"{number:03}", integration="j") for number in range(100)]
    await rules.apply(changes(business_event("a"), *many))
    assert compiled == [100]
    assert matched(rules) == matched(rules) == ["a"]
    assert compiled == [100, 1]


async def test_few_rules_do_not_wait_for_many_that_are_being_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def compile_many_slowly(some: Sequence[Rule]) -> Matcher[BusinessEventRef]:
        if len(some) > 1:
            begun.set()
            go_on.wait(5)
            ended.set()
        return compile_matcher(some)

    async def has_begun() -> bool:
        return begun.is_set()

    monkeypatch.setattr(rules_module, "compile_matcher", compile_many_slowly)
    rules = Rules()
    await rules.apply(changes(business_event("a")))
    many = [business_event(f"{number:03}", integration="j") for number in range(100)]
    applying = asyncio.create_task(rules.apply(changes(*many)))
    await eventually(has_begun)
    assert matched(rules) == ["a"]
    assert not ended.is_set()
    go_on.set()
    await applying
    assert len(matched(rules, "j")) == 100


async def test_a_paused_business_event_of_a_later_version_is_no_reason_to_stop() -> None:
    rules = Rules()
    await rules.apply(changes(business_event("a", HIGH | {"operator": "SOUNDS_LIKE"}, state="paused")))
    assert matched(rules) == []


async def test_definitions_of_other_kinds_are_none_of_its_business() -> None:
    rules = Rules()
    await rules.apply({"integration/i": Undecodable(reason="auth"), "calendar/c": Undecodable(reason="kind")})
    assert rules.loaded.is_set()
