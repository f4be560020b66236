"""A person who configures integrations, over REST."""

from typing import NamedTuple, Self

import httpx
import msgspec

EVERYTHING: dict[str, object] = {}


class Made(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the tests read of an integration or a Business Event."""

    id: str
    version: int
    state: str
    url: str = ""


class Endpoint(NamedTuple):
    """A published integration, and a Business Event that listens to it."""

    integration: Made
    business_event: Made

    @property
    def url(self) -> str:
        return self.integration.url


class Author:
    """Every call raises `httpx.HTTPStatusError` when it is refused."""

    def __init__(self, config_url: str) -> None:
        self.http = httpx.AsyncClient(base_url=f"{config_url}/api/v1", timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def sign_in(self, email: str, password: str) -> None:
        answer = await self.http.post("/session", json={"email": email, "password": password})
        answer.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    async def make_integration(
        self, name: str, *, deduplicate_on: list[str] | None = None, on_redis_down: str = "reject"
    ) -> Made:
        wanted: dict[str, object] = {"name": name, "auth": {"kind": "none"}}
        if deduplicate_on:
            wanted["deduplication"] = {"parameters": deduplicate_on, "onRedisDown": on_redis_down}
        return await self.post("/integrations", wanted)

    async def make_business_event(self, integration: Made, where: dict[str, object]) -> Made:
        return await self.post("/business-events", {"name": "b", "integrationId": integration.id, "where": where})

    async def make_endpoint(
        self,
        name: str,
        *,
        where: dict[str, object] = EVERYTHING,
        deduplicate_on: list[str] | None = None,
        on_redis_down: str = "reject",
    ) -> Endpoint:
        """A published integration with a Business Event, in effect at the ingress and at the trigger service."""
        integration = await self.make_integration(name, deduplicate_on=deduplicate_on, on_redis_down=on_redis_down)
        business_event = await self.make_business_event(integration, where)
        published = await self.post(f"/integrations/{integration.id}/publish")
        return Endpoint(published, business_event)

    async def post(self, path: str, body: dict[str, object] | None = None) -> Made:
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=Made)
