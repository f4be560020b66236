"""Answers have tokens, secrets and payloads in them: they are for who asked, and for nobody who comes later."""

import pytest

from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)

JWKS = "/.well-known/jwks.json"
IN_KAFKA = ("/api/v1/events/", "/api/v1/dead-letters")


async def test_no_answer_is_kept_by_a_cache_or_taken_for_something_else(plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    event_id = await plane.create_business_event(integration_id)
    made = await plane.client.post("/api/v1/api-keys", json={"name": "Shop"})
    answers = [
        made,
        await plane.client.post("/api/v1/session", json={"email": EMAIL, "password": PASSWORD}),
        await plane.client.post("/uauth/v2/auth/login/profile", json={"apiKey": made.json()["secret"]}),
        *[
            await plane.client.get(path)
            for method, path in sorted(plane.routes(integration_id, event_id))
            if method == "GET" and path != JWKS and not path.startswith(IN_KAFKA)
        ],
        await plane.client.get("/nowhere"),
        await plane.client.get("/schema/openapi.json"),
    ]
    assert {answer.status_code for answer in answers} == {200, 201, 401, 404}
    told = {(answer.headers["cache-control"], answer.headers["x-content-type-options"]) for answer in answers}
    assert told == {("no-store", "nosniff")}


async def test_public_keys_may_be_kept_for_a_while(plane: ControlPlane) -> None:
    answer = await plane.client.get(JWKS)
    assert answer.headers["cache-control"] == "max-age=30"
