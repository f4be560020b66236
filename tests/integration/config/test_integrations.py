from tests.integration.config.control_plane import ControlPlane

RULES = {"parameters": ["body.id", "headers.X-Form-Id"], "onRedisDown": "accept"}


async def test_a_new_integration_is_a_draft_with_a_url(plane: ControlPlane) -> None:
    body = {"name": "Complaints", "icon": "bell", "auth": {"kind": "none"}, "deduplication": RULES}
    created = await plane.call("POST", "/api/v1/integrations", body, status=201)
    identifier = created["id"]
    assert created == {
        "id": identifier,
        "name": "Complaints",
        "icon": "bell",
        "state": "draft",
        "hasUnpublishedChanges": True,
        "version": 0,
        "url": f"https://hooks.example.com/automation-endpoint/endpoints/authorized/{identifier}/trigger",
        "auth": {"kind": "none"},
        "deduplication": {"parameters": ["body.id", "headers.x-form-id"], "onRedisDown": "accept"},
        "rateLimit": None,
        "published": None,
        "warnings": [
            {
                "field": "deduplication.parameters[1]",
                "message": "is a header that no authentication covers: anyone who knows the URL can change it",
            }
        ],
        "createdAt": created["createdAt"],
        "updatedAt": created["createdAt"],
    }
    assert await plane.call("GET", f"/api/v1/integrations/{identifier}") == created


async def test_an_integration_lives_through_draft_publication_change_and_withdrawal(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    seen = [
        await plane.call("POST", f"{path}/publish"),
        await plane.call("POST", f"{path}/publish"),
        await plane.call("PATCH", path, {"name": "Claims"}),
        await plane.call("POST", f"{path}/publish"),
        await plane.call("POST", f"{path}/unpublish"),
        await plane.call("POST", f"{path}/unpublish"),
        await plane.call("POST", f"{path}/publish"),
    ]
    assert [(one["state"], one["version"], one["hasUnpublishedChanges"], one["name"]) for one in seen] == [
        ("published", 1, False, "Complaints"),
        ("published", 1, False, "Complaints"),
        ("published", 1, True, "Claims"),
        ("published", 2, False, "Claims"),
        ("draft", 2, True, "Claims"),
        ("draft", 2, True, "Claims"),
        ("published", 3, False, "Claims"),
    ]


async def test_a_change_to_what_it_is_already_leaves_no_trace(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    before = await plane.call("GET", path)
    assert await plane.call("PATCH", path, {"name": " Complaints "}) == before
    assert await plane.call("PATCH", path, {}) == before


async def test_the_secrets_that_are_in_force_are_no_change_when_they_are_sent_again(plane: ControlPlane) -> None:
    secrets = {"kind": "meta", "appSecret": "old", "verifyToken": "v"}
    path = f"/api/v1/integrations/{await plane.create_integration(auth=secrets)}"
    await plane.call("POST", f"{path}/publish")
    rotation = {"auth": {**secrets, "appSecret": "new", "keepPreviousAppSecret": True}}
    assert (await plane.call("PATCH", path, rotation))["auth"]["previousAppSecretAccepted"]
    back = await plane.call("PATCH", path, {"auth": {**secrets, "keepPreviousAppSecret": True}})
    assert (back["auth"]["previousAppSecretAccepted"], back["hasUnpublishedChanges"]) == (False, False)


async def test_a_deleted_integration_is_gone(plane: ControlPlane) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    await plane.call("DELETE", path, status=204)
    await plane.call("DELETE", path, status=404)
    assert (await plane.call("GET", "/api/v1/integrations"))["items"] == []


async def test_an_integration_that_is_listened_to_is_kept_and_its_listeners_are_named(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id, "High priority")
    refused = await plane.call("DELETE", f"/api/v1/integrations/{integration_id}", status=409)
    assert refused["errors"] == [{"field": "businessEvents", "message": f"'High priority' ({event_id})"}]
    await plane.call("GET", f"/api/v1/integrations/{integration_id}")
    await plane.call("DELETE", f"/api/v1/business-events/{event_id}", status=204)
    await plane.call("DELETE", f"/api/v1/integrations/{integration_id}", status=204)


async def test_only_the_listeners_that_are_named_are_deleted_with_an_integration(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    seen = [await plane.create_business_event(integration_id) for _ in range(2)]
    unseen = await plane.create_business_event(integration_id, "Unseen")
    path = f"/api/v1/integrations/{integration_id}?businessEvents={seen[0]}&businessEvents={seen[1]}"
    refused = await plane.call("DELETE", path, status=409)
    assert [fault["message"] for fault in refused["errors"]] == [f"'Unseen' ({unseen})"]
    assert len((await plane.call("GET", "/api/v1/business-events"))["items"]) == 3
    await plane.call("DELETE", f"{path}&businessEvents={unseen}", status=204)
    assert (await plane.call("GET", "/api/v1/business-events"))["items"] == []


async def test_pages_hold_every_integration_once_the_newest_first(plane: ControlPlane) -> None:
    for index in range(7):
        await plane.create_integration(f"number {index}")
    found: list[str] = []
    cursor, sizes = "", []
    while True:
        page = await plane.call("GET", f"/api/v1/integrations?limit=3{cursor}")
        sizes.append(len(page["items"]))
        found += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert sizes == [3, 3, 1]
    assert len(set(found)) == 7
    assert found == sorted(found, reverse=True)


async def test_a_full_last_page_has_no_next_one(plane: ControlPlane) -> None:
    for _ in range(2):
        await plane.create_integration()
    page = await plane.call("GET", "/api/v1/integrations?limit=2")
    assert (len(page["items"]), page["nextCursor"]) == (2, None)


async def test_the_list_is_searched_by_a_text_in_the_name_or_the_id(plane: ControlPlane) -> None:
    path = "/api/v1/integrations"
    made = {name: await plane.create_integration(name) for name in ("Complaints", "Łódź till", "Parcels")}

    async def found(**query: str) -> list[str]:
        answer = await plane.client.get(path, params=query)
        return [one["name"] for one in answer.json()["items"]]

    assert await found(search=" COMPL ") == ["Complaints"]
    assert await found(search="łÓDŹ") == ["Łódź till"]
    assert await found(search=made["Parcels"][-12:]) == ["Parcels"]
    assert await found(search="%") == []
    assert await found(search="") == ["Parcels", "Łódź till", "Complaints"]
    assert await found(search="l", limit="1") == ["Parcels"]
    first = (await plane.client.get(path, params={"search": "l", "limit": "2"})).json()
    assert await found(search="l", limit="2", cursor=first["nextCursor"]) == ["Complaints"]
