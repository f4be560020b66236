"""The difference that a change makes, as the audit log keeps it."""

import pytest

from services.config.audit import Difference, differences
from services.config.definitions import BusinessEvent
from tests.unit.config.test_definitions import NOW


def event(value: object) -> BusinessEvent:
    where: dict[str, object] = {"parameter": "body.a", "operator": "in", "value": value}
    return BusinessEvent(id="e", integration_id="i", name="High", where=where, created_at=NOW, updated_at=NOW)


@pytest.mark.parametrize(("before", "after"), [([1], [True]), (1, True), ([0, "a"], [False, "a"]), ([1], [1.0])])
def test_what_only_python_takes_for_equal_is_a_difference(before: object, after: object) -> None:
    assert differences(event(before), event(after)) == {"where.value": Difference(before=before, after=after)}


def test_what_is_equal_is_none() -> None:
    assert differences(event([1, {"a": 1, "b": 2}]), event([1, {"b": 2, "a": 1}])) == {}
