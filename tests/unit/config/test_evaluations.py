"""One event against the rules as they are now."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from libs.activity import Input
from libs.deduplication import Hasher, scope_of_parts
from libs.messages import Auth, Deduplication, MetaAuth, NoAuth
from services.config.definitions import BusinessEvent, Draft
from services.config.evaluations import TEXT_LIMIT, VALUES_LIMIT, Document, evaluate, identify, shortened

NOW = datetime(2026, 1, 31, 9, 15, 30, tzinfo=UTC)
RULES = ("body.id", "headers.x-form-id")
HIGH: dict[str, object] = {"param": "body.priority", "type": "string", "operator": "EQUAL", "value": "high"}
SLOW: dict[str, object] = {
    "param": "body.items.*",
    "type": "string",
    "operator": "REGEXP",
    "value": "((a?){100}b?){8}[cd]$",
}


def draft(auth: Auth | None = None, rules: tuple[str, ...] = RULES) -> Draft:
    deduplication = Deduplication(parameters=rules) if rules else None
    return Draft(name="n", auth=auth or NoAuth(), deduplication=deduplication)


def business_event(name: str, where: dict[str, object]) -> BusinessEvent:
    return BusinessEvent(id=name, integration_id="i", name=name, where=where, created_at=NOW, updated_at=NOW)


def document(**body: object) -> Document:
    return Document(headers={}, body=body, received_at=NOW)


def test_an_event_is_told_from_others_by_the_rules_and_the_hash_of_the_ingress() -> None:
    body = {"id": 1}
    inputs = (Input(parameter="body.id", value=1), Input(parameter="headers.x-form-id"))
    assert identify("i", draft(), {}, body) == (inputs, Hasher("i", RULES)({}, body))


def test_a_part_is_told_from_others_by_the_hash_of_the_normalizer() -> None:
    split = MetaAuth(app_secrets=("s",), verify_token="t", split_batches=True)
    _, found = identify("i", draft(split), {}, {"id": 1})
    assert found == Hasher(scope_of_parts("i"), RULES)({}, {"id": 1})


def test_without_rules_or_without_what_they_name_an_event_has_no_hash() -> None:
    assert identify("i", None, {}, {"id": 1}) == ((), None)
    assert identify("i", draft(rules=()), {}, {"id": 1}) == ((), None)
    inputs, found = identify("i", draft(), {}, {"other": 1})
    assert [one.value for one in inputs] == [UNSET, UNSET]
    assert found is None


def test_each_condition_comes_with_the_actual_value() -> None:
    [one] = evaluate([business_event("Urgent", HIGH)], document(priority="low"), UTC)
    assert (one.name, one.state, one.version, one.matched) == ("Urgent", "active", 1, False)
    [condition] = one.conditions
    assert (condition.actual, condition.matched, condition.reason) == ("low", False, "different value")


def test_one_that_takes_too_long_leaves_the_others_evaluated() -> None:
    some = [business_event("slow", SLOW), business_event("all", {})]
    slow, everything = evaluate(some, document(items=["a" * 4000] * 200), UTC, limit_s=60)
    assert (slow.matched, slow.conditions) == (None, ())
    assert everything.matched is True


def test_after_a_bounded_time_the_rest_is_not_evaluated() -> None:
    some = [business_event(str(number), {}) for number in range(3)]
    assert [one.matched for one in evaluate(some, document(), UTC, limit_s=0)] == [None] * 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda leaves: st.lists(leaves) | st.dictionaries(st.text(), leaves),
    max_leaves=20,
)


@given(JSON)
def test_what_is_short_is_shown_as_it_is(value: object) -> None:
    if len(msgspec.json.encode(value)) < TEXT_LIMIT and not (isinstance(value, list) and len(value) > VALUES_LIMIT):
        assert shortened(value) == value


def test_of_what_is_long_the_beginning_is_shown() -> None:
    assert shortened("x" * 5000) == "x" * TEXT_LIMIT + "…"
    assert shortened(10**4000) == "1" + "0" * (TEXT_LIMIT - 1) + "…"
    assert shortened({"a": "x" * 5000}) == '{"a":"' + "x" * (TEXT_LIMIT - 6) + "…"
    assert shortened([*range(100)]) == [*range(VALUES_LIMIT), "…"]
    assert shortened([["x" * 5000]]) == ['["' + "x" * (TEXT_LIMIT - 2) + "…"]
