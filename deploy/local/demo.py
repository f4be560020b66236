"""The demo: a published integration and a Business Event on it, made through the REST API like anyone's."""

import asyncio
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


async def ensure_demo(config_url: str, admin: Admin) -> Demo:
    """Create what is missing of the demo; what authors changed in it stays as it is.

    Raises:
        RestError: the config service does not answer, or refuses.
    """
    rest = Rest(config_url)
    session = await rest.post("/api/v1/session", admin, _Session)
    rest.token = session.token
    integration = await _ensure(rest, _INTEGRATIONS, _INTEGRATION)
    await _ensure(rest, _BUSINESS_EVENTS, {**_BUSINESS_EVENT, "integrationId": integration.id})
    # Last, because changes reach the services in order: once it is live, so is its Business Event.
    if integration.state == "draft":
        await rest.post(f"{_INTEGRATIONS}/{integration.id}/publish", {}, _Item)
    await _until_live(integration.url)
    return Demo(integration_id=integration.id, url=integration.url)


async def _until_live(url: str) -> None:
    """Wait until the ingress knows the URL: then it refuses an empty body with something else than 404."""
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"}
    deadline = time.monotonic() + _LIVE_WITHIN_S
    while time.monotonic() < deadline:
        status, _ = await asyncio.to_thread(request, parts.netloc, "POST", parts.path, b"", headers)
        if status != HTTPStatus.NOT_FOUND:
            return
        await asyncio.sleep(0.05)
    raise RestError(f"the demo integration is published, but after {_LIVE_WITHIN_S} s {url} still answers 404")


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
