from tests.integration.config.control_plane import ControlPlane

NOWHERE = "01a20c53-0000-7000-8000-000000000001"
URGENT = {"param": "body.priority", "type": "string", "operator": "EQUAL", "value": "high"}
HUGE = {"param": "body.n", "type": "number", "operator": "EQUAL", "value": 123456789012345678901234567890}


async def test_a_new_business_event_is_active(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    body = {"name": "Urgent", "integrationId": integration_id, "where": {"all": [URGENT, HUGE]}}
    created = await plane.call("POST", "/api/v1/business-events", body, status=201)
    assert created == {
        **body,
        "id": created["id"],
        "state": "active",
        "version": 1,
        "createdAt": created["createdAt"],
        "updatedAt": created["createdAt"],
    }
    assert await plane.call("GET", f"/api/v1/business-events/{created['id']}") == created


async def test_the_version_grows_with_every_change_and_only_then(plane: ControlPlane) -> None:
    event_id = await plane.create_business_event(await plane.create_integration())
    path = f"/api/v1/business-events/{event_id}"
    seen = [
        await plane.call("POST", f"{path}/activate"),
        await plane.call("POST", f"{path}/pause"),
        await plane.call("POST", f"{path}/pause"),
        await plane.call("PATCH", path, {"where": URGENT, "name": "Urgent"}),
        await plane.call("PATCH", path, {"name": "Urgent"}),
        await plane.call("POST", f"{path}/activate"),
    ]
    assert [(one["state"], one["version"]) for one in seen] == [
        ("active", 1),
        ("paused", 2),
        ("paused", 2),
        ("paused", 3),
        ("paused", 3),
        ("active", 4),
    ]
    assert (seen[-1]["name"], seen[-1]["where"]) == ("Urgent", URGENT)


async def test_a_number_that_becomes_true_is_a_difference(plane: ControlPlane) -> None:
    path = f"/api/v1/business-events/{await plane.create_business_event(await plane.create_integration())}"
    one: dict[str, object] = {"param": "body.n", "type": "array", "operator": "CONTAIN", "value": 1}
    await plane.call("PATCH", path, {"where": one})
    await plane.call("PATCH", path, {"where": {**one, "value": True}})
    stored = await plane.call("GET", path)
    assert (stored["version"], stored["where"]["value"] is True) == (3, True)


async def test_the_list_can_be_narrowed_to_one_integration(plane: ControlPlane) -> None:
    first, second = await plane.create_integration(), await plane.create_integration()
    mine = [await plane.create_business_event(first), await plane.create_business_event(first)]
    await plane.create_business_event(second)
    page = await plane.call("GET", f"/api/v1/business-events?integrationId={first}")
    assert {item["id"] for item in page["items"]} == set(mine)
    assert len((await plane.call("GET", "/api/v1/business-events"))["items"]) == 3
    page = await plane.call("GET", f"/api/v1/business-events?integrationId={first}&limit=1")
    assert page["nextCursor"] == page["items"][0]["id"]


async def test_faults_in_name_filter_and_integration_are_reported_together(plane: ControlPlane) -> None:
    body = {"name": "", "integrationId": NOWHERE, "where": {"all": [{**URGENT, "operator": "SAME"}]}}
    refused = await plane.call("POST", "/api/v1/business-events", body, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["name", "where.all[0].operator", "integrationId"]


async def test_a_change_that_is_refused_changes_nothing(plane: ControlPlane) -> None:
    event_id = await plane.create_business_event(await plane.create_integration())
    path = f"/api/v1/business-events/{event_id}"
    before = await plane.call("GET", path)
    body = {"name": "Urgent", "where": {"all": "x"}}
    refused = await plane.call("PATCH", path, body, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["where.all"]
    assert await plane.call("GET", path) == before


async def test_the_integration_of_a_business_event_cannot_be_changed(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    path = f"/api/v1/business-events/{await plane.create_business_event(integration_id)}"
    refused = await plane.call("PATCH", path, {"integrationId": integration_id}, status=400)
    assert [fault["field"] for fault in refused["errors"]] == ["integrationId"]
