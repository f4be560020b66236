import pytest

from services.config import business_events
from services.config.business_events import WHERE_LIMIT_BYTES, check_where
from services.config.errors import Fault

EQUAL: dict[str, object] = {"param": "body.a", "type": "string", "operator": "EQUAL", "value": "x"}


@pytest.mark.parametrize("where", [{}, EQUAL, {"all": [EQUAL, {"none": [EQUAL]}]}])
def test_a_filter_is_kept_as_it_was_written(where: dict[str, object]) -> None:
    faults: list[Fault] = []
    assert check_where(where, faults) is where
    assert faults == []


def test_every_fault_of_a_filter_is_located() -> None:
    faults: list[Fault] = []
    check_where({"all": [EQUAL, {**EQUAL, "operator": "SAME", "param": "a"}]}, faults)
    assert {fault.field for fault in faults} == {"where.all[1].operator", "where.all[1].param"}


def test_a_filter_that_would_not_fit_into_a_record_is_refused() -> None:
    faults: list[Fault] = []
    numbers = {"param": "body.a", "type": "number", "operator": "IN", "value": [1 / 3] * 1_000}
    check_where({"all": [numbers] * (WHERE_LIMIT_BYTES // 18_000)}, faults)
    assert [(fault.field, "longer than" in fault.message) for fault in faults] == [("where", True)]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({**EQUAL, "operator": "REGEXP", "value": "[a-z]{1000}" * 3, "ignoreCase": True}, "where.value"),
        ({"all": [{"some": f"body.a{n}", "where": EQUAL | {"param": "b"}} for n in range(256)]}, "where.all[128]"),
        ({"all": [{"some": f"body.a{n}", "where": {}} for n in range(600)]}, "where.all[128]"),
    ],
)
def test_a_filter_that_the_trigger_could_not_compile_is_refused(where: dict[str, object], field: str) -> None:
    faults: list[Fault] = []
    check_where(where, faults)
    assert [fault.field for fault in faults] == [field]


def test_whatever_else_fails_in_compiling_is_a_fault_of_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(business_events, "compile_matcher", fail)
    faults: list[Fault] = []
    check_where(EQUAL, faults)
    assert faults == [Fault("where", "cannot be compiled: RecursionError('too deep')")]
