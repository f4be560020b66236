import pytest

from services.config.console.builder import Builder, sorted_faults, stepped, trial
from services.config.console.filter_form import Group, Row
from services.config.errors import ConflictError, Fault, InvalidError
from services.config.trials import Trial

ID = "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"
TREE = Group(parts=(Row(), Group(kind="any", parts=(Row(),))))


def test_a_test_is_on_what_is_typed() -> None:
    asked = trial(Builder(tree=TREE, body='{"a": 1}', headers="X-Form-Id: 7:8\n\nx-empty"), ID)
    assert isinstance(asked, Trial)
    assert (asked.sample.body, asked.sample.headers) == ({"a": 1}, {"X-Form-Id": "7:8", "x-empty": ""})  # type: ignore[union-attr]


def test_a_test_on_nothing_is_on_the_captured_sample() -> None:
    assert str(trial(Builder(tree=TREE, body=" \n"), ID).integration_id) == ID


@pytest.mark.parametrize("body", ["[]", "{", "1", "[" * 100_000, '{"a": "\\ud800"}'])
def test_what_is_no_request_is_said_of_the_body(body: str) -> None:
    with pytest.raises(InvalidError) as found:
        trial(Builder(tree=TREE, body=body), ID)
    assert [fault.field for fault in found.value.faults] == ["sample.body"]


def test_faults_of_the_filter_are_said_at_the_row_that_they_are_about_and_others_in_general() -> None:
    faults = [
        Fault("name", "must not be empty"),
        Fault("where.all[0].value[1]", "must be a number"),
        Fault("where.all[1].any[0].param", "is odd"),
        Fault("where.all[7].param", "is nowhere"),
    ]
    general, by_place = sorted_faults(TREE, InvalidError(faults))
    assert [fault.field for fault in general.all] == ["name", ""]
    assert {place: [fault.field for fault in one.all] for place, one in by_place.items()} == {
        "0.0": ["value[1]"],
        "0.1.0": ["param"],
        "0": ["all[7].param"],
    }


def test_what_is_about_the_whole_is_said_as_it_is() -> None:
    general, by_place = sorted_faults(TREE, ConflictError("It stands in the way."))
    assert [fault.message for fault in general.all] == ["It stands in the way."]
    assert by_place == {}
    assert sorted_faults(TREE, None)[0].all == ()


def test_a_step_keeps_everything_else_that_was_typed() -> None:
    before = Builder(tree=TREE, name="n", revision="3", headers="h", body="b")
    after = stepped(before, "add-condition:0")
    assert (after.name, after.revision, after.headers, after.body, after.focus) == ("n", "3", "h", "b", "0.2")
