"""What requests to a route with an id are about: made anew for each of them, because the request may end it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import msgspec

from libs.messages import RefusedSample, Sample
from services.config.captures import Captures
from services.config.store.database import Database
from services.config.store.scope import Workspaces
from tests.integration.config.control_plane import ControlPlane, settings
from tests.integration.config.test_users import make_user

INTEGRATIONS: Final = "/api/v1/integrations"
KEYS: Final = "/api/v1/api-keys"
META: Final = {"kind": "meta", "appSecret": "s", "verifyToken": "v", "splitBatches": True}


class Existing:
    """Makes what a path parameter names, each number in another state; `kept` is what bodies and queries name."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.kept: Mapping[str, str] = {}
        self.makers: Mapping[str, Callable[[int], Awaitable[str]]] = {
            "integration_id": self._integration,
            "event_id": self._business_event,
            "key_id": self._api_key,
            "user_id": self._user,
            "signing_key_id": self._signing_key,
        }
        self._plane = plane
        self._database = Database(settings(folder).database)

    async def __aenter__(self) -> Self:
        integration_id = await self._captured(await self._plane.create_integration("Kept"))
        self.kept = {"integrationId": integration_id, "apiKeyId": await self._api_key(0)}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()

    async def _integration(self, number: int) -> str:
        """A draft, what is published with a Business Event and has changed since, one without its key, or captured."""
        match number % 4:
            case 0:
                return await self._plane.create_integration(deduplication={"parameters": ["body.id"]})
            case 1:
                integration_id = await self._plane.create_integration()
                await self._plane.create_business_event(integration_id)
                await self._call("POST", f"{INTEGRATIONS}/{integration_id}/publish")
                await self._call("PATCH", f"{INTEGRATIONS}/{integration_id}", {"name": "Changed"})
            case 2:
                key_id = await self._api_key(0)
                integration_id = await self._plane.create_integration(auth={"kind": "jwt", "apiKeyId": key_id})
                await self._call("DELETE", f"{KEYS}/{key_id}", status=204)
                await self._call("POST", f"{INTEGRATIONS}/{integration_id}/capture", status=201)
                await self._call("DELETE", f"{INTEGRATIONS}/{integration_id}/capture")
            case _:
                integration_id = await self._captured(await self._plane.create_integration(auth=META))
                await self._call("POST", f"{INTEGRATIONS}/{integration_id}/publish")
        return integration_id

    async def _captured(self, integration_id: str) -> str:
        """Do as the ingress that has refused one request to it, and taken another as a sample."""
        await self._call("POST", f"{INTEGRATIONS}/{integration_id}/capture", status=201)
        body, at = msgspec.Raw(b'{"complaint": {"tags": [1, null]}}'), datetime.now(UTC).isoformat()
        refused = RefusedSample(
            integration_id=integration_id, generation=1, received_at=at, status=401, reason="no signature"
        )
        taken = Sample(
            integration_id=integration_id, generation=1, received_at=at, headers={"x-form-id": "7"}, body=body
        )
        await Captures(Workspaces(self._database, lambda: datetime.now(UTC))).note([refused, taken])
        return integration_id

    async def _business_event(self, number: int) -> str:
        event_id = await self._plane.create_business_event(await self._integration(number))
        if number % 2:
            await self._call("POST", f"/api/v1/business-events/{event_id}/pause")
        return event_id

    async def _api_key(self, number: int) -> str:
        key_id = str((await self._call("POST", KEYS, {"name": "k"}, status=201))["id"])
        if number % 3 == 2:
            await self._call("DELETE", f"{KEYS}/{key_id}", status=204)
        return key_id

    async def _user(self, number: int) -> str:
        return await make_user(self._plane, f"made-{number}-{datetime.now(UTC).timestamp()}@example.com")

    async def _signing_key(self, _number: int) -> str:
        return str((await self._call("POST", "/api/v1/signing-keys", status=201))["id"])

    async def _call(self, method: str, path: str, body: object = None, *, status: int = 200) -> dict[str, object]:
        answer: dict[str, object] = await self._plane.call(method, path, body, status=status)
        return answer
