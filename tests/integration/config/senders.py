"""What a sender does with an API key: make tokens of it and renew them."""

from typing import Any

import jwt

from tests.integration.config.control_plane import ControlPlane

LOGIN = "/uauth/v2/auth/login/profile"
REFRESH = "/uauth/v2/auth/refresh/profile"
KEYS = "/api/v1/api-keys"


async def make_key(plane: ControlPlane, **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = await plane.call("POST", KEYS, {"name": "Shop", **fields}, status=201)
    return made


async def log_in(plane: ControlPlane, secret: str, *, status: int = 200) -> str:
    answer = await plane.call("POST", LOGIN, {"apiKey": secret}, status=status)
    return str(answer.get("token", ""))


async def refresh(plane: ControlPlane, token: str, *, status: int = 200) -> str:
    response = await plane.client.get(REFRESH, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == status, response.text
    return str(response.json().get("token", ""))


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
