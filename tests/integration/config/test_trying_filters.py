"""The test of a Business Event's filter: how every condition comes out, and why."""

from tests.integration.config.control_plane import ControlPlane, above_the_store

pytestmark = above_the_store


PATH = "/api/v1/business-events/test"


def condition(param: str, operator: str = "EQUAL", kind: str = "string", **more: object) -> dict[str, object]:
    return {"param": param, "type": kind, "operator": operator, **more}


async def test_every_condition_says_what_it_found_and_why_it_does_not_hold(plane: ControlPlane) -> None:
    where = {
        "any": [
            condition("body.a", value="x"),
            condition("body.b", "MORE", "number", value=1),
            condition("body.c", value="x", ignoreCase=True),
            condition("body.items.*.id", value="2"),
            {"some": "body.items", "where": condition("id", value="3")},
            condition("headers.x-form-id", value="7"),
        ]
    }
    sample = {"body": {"a": "y", "b": "2", "items": [{"id": "1"}, {"id": "2"}]}, "headers": {"X-Form-Id": "7"}}
    answer = await plane.call("POST", PATH, {"where": where, "sample": sample})
    assert answer["matched"] is True
    found = [(one["path"], one["matched"], one["reason"], one.get("actual")) for one in answer["conditions"]]
    assert found == [
        ("where.any[0]", False, "different value", "y"),
        ("where.any[1]", False, "other type", "2"),
        ("where.any[2]", False, "absent", None),
        ("where.any[3]", True, None, ["1", "2"]),
        ("where.any[4]", False, "no single element satisfies all", [{"id": "1"}, {"id": "2"}]),
        ("where.any[4].where", False, "different value", ["1", "2"]),
        ("where.any[5]", True, None, "7"),
    ]
    assert "actual" not in answer["conditions"][2]
    assert answer["conditions"][2]["ignoreCase"] is True
    assert answer["conditions"][4]["some"] == "body.items"


async def test_a_group_without_conditions_says_that_it_never_holds(plane: ControlPlane) -> None:
    where = {"all": [condition("body.a", value="x"), {"any": []}]}
    answer = await plane.call("POST", PATH, {"where": where, "sample": {"body": {"a": "x"}}})
    assert answer["matched"] is False
    assert answer["conditions"][1:] == [
        {"path": "where.all[1]", "group": "any", "matched": False, "reason": "empty group"}
    ]


async def test_a_sample_of_an_integration_that_splits_is_judged_part_by_part(plane: ControlPlane) -> None:
    auth = {"kind": "meta", "appSecret": "s", "verifyToken": "v", "splitBatches": True}
    split, whole = await plane.create_integration(auth=auth), await plane.create_integration()
    sample = {"body": {"entry": [{"changes": [{"field": "feed"}, {"field": "leadgen"}]}]}}
    asked = {"where": condition("body.entry.0.changes.0.field", value="leadgen"), "sample": sample}
    answer = await plane.call("POST", PATH, {**asked, "integrationId": split})
    assert answer["matched"] is True
    assert answer["parts"] == {"count": 2, "matched": 1, "shown": "body.entry.0.changes.1"}
    assert answer["conditions"][0]["actual"] == "leadgen"
    for others in ({"integrationId": whole}, {}):
        answer = await plane.call("POST", PATH, {**asked, **others})
        assert answer["matched"] is False
        assert "parts" not in answer


async def test_a_sample_whose_parts_no_sender_could_send_is_refused(plane: ControlPlane) -> None:
    auth = {"kind": "meta", "appSecret": "s", "verifyToken": "v", "splitBatches": True}
    body = {"x": "x" * 100_000, "entry": [{"changes": [{}] * 400}]}
    asked = {"where": {}, "sample": {"body": body}, "integrationId": await plane.create_integration(auth=auth)}
    answer = await plane.call("POST", PATH, asked, status=400)
    assert [fault["field"] for fault in answer["errors"]] == ["sample.body"]


async def test_a_credential_is_no_parameter_of_a_sample(plane: ControlPlane) -> None:
    where = condition("headers.accept", "EXISTS", "any")
    sample = {"body": {}, "headers": {"Authorization": "secret", "Accept": "x"}}
    answer = await plane.call("POST", PATH, {"where": where, "sample": sample})
    assert answer["matched"] is True
    assert "secret" not in str(answer)


async def test_faults_of_a_filter_and_of_a_sample_are_located(plane: ControlPlane) -> None:
    good: dict[str, object] = {"body": {}}
    deep: dict[str, object] = {}
    for _ in range(70):
        deep = {"a": deep}
    for body, field in [
        ({"where": condition("nowhere", value="x"), "sample": good}, "where.param"),
        ({"where": {}}, "sample"),
        ({"where": {}, "sample": good, "integrationId": "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"}, "integrationId"),
        ({"where": {}, "integrationId": "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"}, "integrationId"),
        ({"where": {}, "sample": {"body": deep}}, "sample.body"),
        ({"where": {}, "sample": {"body": []}}, "sample.body"),
        ({"where": {}, "sample": {"body": {}, "headers": {"x-a": "1", "x-b": 2}}}, "sample.headers.x-b"),
    ]:
        answer = await plane.call("POST", PATH, body, status=400)
        assert [fault["field"] for fault in answer["errors"]] == [field]
