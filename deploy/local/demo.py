"""The demo: a published integration and a Business Event on it, made through the REST API like anyone's."""

import asyncio
import http.client
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from deploy.local.rest import Rest, RestError, request

_LIVE_WITHIN_S: Final = 15
_INTEGRATIONS: Final = "/api/v1/integrations"
_BUSINESS_EVENTS: Final = "/api/v1/business-events"
_INTEGRATION: Final = {
    "name": "Demo: complaints",
    "auth": {"kind": "none"},
    "deduplication": {"parameters": ["body.complaint.id"], "onRedisDown": "reject"},
}
_BUSINESS_EVENT: Final = {
    "name": "Demo: high priority",
    "where": {"param": "body.complaint.priority", "type": "string", "operator": "EQUAL", "value": "high"},
}


class Admin(Struct, frozen=True, kw_only=True):
    """Who may do everything in the config service."""

    email: str
    password: str


class Demo(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where requests to the demo integration go."""

    integration_id: str
    url: str


class _Session(Struct, frozen=True, kw_only=True):
    token: str


class _Item(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an integration and a Business Event have in common, and a little more."""

    id: str
    name: str
    state: str
    url: str = ""
    integration_id: str = ""


class _Page(Struct, frozen=True, kw_only=True, rename="camel"):
    items: list[_Item]
    next_cursor: str | None = None


async def sign_in(config_url: str, admin: Admin) -> Rest | None:
    """The config service as the administrator; None if it does not know this address and password any more.

    Raises:
        RestError: the config service does not answer, or refuses for another reason.
    """
    rest = Rest(config_url)
    try:
        session = await rest.post("/api/v1/session", admin, _Session)
    except RestError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            return None
        raise
    rest.token = session.token
    return rest


async def make_demo(rest: Rest) -> Demo:
    """Create what is missing of the demo, publish it, and wait until the ingress has it.

    Raises:
        RestError: the config service does not answer, or refuses; or the ingress does not get to know it.
    """
    integration = await _ensure(rest, _INTEGRATIONS, _INTEGRATION)
    await _ensure(rest, _BUSINESS_EVENTS, {**_BUSINESS_EVENT, "integrationId": integration.id})
    # Last, because changes reach the services in order: once it is live, so is its Business Event.
    if integration.state == "draft":
        await rest.post(f"{_INTEGRATIONS}/{integration.id}/publish", {}, _Item)
    demo = Demo(integration_id=integration.id, url=integration.url)
    deadline = time.monotonic() + _LIVE_WITHIN_S
    while not await is_live(demo):
        if time.monotonic() > deadline:
            raise RestError(f"the demo is published, but after {_LIVE_WITHIN_S} s {demo.url} still answers 404")
        await asyncio.sleep(0.05)
    return demo


async def is_live(demo: Demo) -> bool:
    """Whether the ingress knows the URL: then it refuses an empty body with something else than 404.

    Raises:
        RestError: the ingress does not answer.
    """
    parts = urlsplit(demo.url)
    headers = {"Content-Type": "application/json"}
    try:
        status, _ = await asyncio.to_thread(request, parts.netloc, "POST", parts.path, b"", headers)
    except (OSError, http.client.HTTPException) as error:
        raise RestError(f"{demo.url}: {error}") from error
    return status != HTTPStatus.NOT_FOUND


async def _ensure(rest: Rest, path: str, wanted: Mapping[str, object]) -> _Item:
    """The item with the wanted name (and integration), created if there is none."""
    cursor: str | None = ""
    while cursor is not None:
        page = await rest.get(f"{path}?limit=100&cursor={quote(cursor)}" if cursor else f"{path}?limit=100", _Page)
        for item in page.items:
            if item.name == wanted["name"] and item.integration_id == wanted.get("integrationId", ""):
                return item
        cursor = page.next_cursor
    return await rest.post(path, wanted, _Item)
