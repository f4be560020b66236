"""How long a revoked API key is still good: from the API's answer until the last of two ingresses refuses its token.

Run it with ``python -m bench.revocation [times]``. It starts the product on ports of its own, with a second ingress.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.settings import LocalSettings
from deploy.local.stack import Stack, running_stack

TIMES: Final = 50


async def call(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 JSON
    answer = await client.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def answered(sender: httpx.AsyncClient, url: str, token: str, status: int) -> float:
    """When the ingress first answers so; it is asked all the time."""
    headers = {"authorization": f"Bearer {token}"}
    while (await sender.post(url, json={}, headers=headers)).status_code != status:
        pass
    return time.monotonic()


async def revoke_one(author: httpx.AsyncClient, sender: httpx.AsyncClient, ingresses: list[str]) -> float:
    """Seconds until the last of the ingresses refuses a token of a key that was good at all of them."""
    key = await call(author, "POST", "/api/v1/api-keys", {"name": "revoked"})
    token = (await call(author, "POST", "/uauth/v2/auth/login/profile", {"apiKey": key["secret"]}))["token"]
    wanted = {"name": "revoked", "auth": {"kind": "jwt", "apiKeyId": key["id"]}}
    integration = await call(author, "POST", "/api/v1/integrations", wanted)
    await call(author, "POST", f"/api/v1/integrations/{integration['id']}/publish")
    path = httpx.URL(integration["url"]).path
    urls = [f"http://{one}{path}" for one in ingresses]
    await asyncio.gather(*(answered(sender, url, token, HTTPStatus.OK) for url in urls))
    await call(author, "DELETE", f"/api/v1/api-keys/{key['id']}")
    revoked = time.monotonic()
    refused = await asyncio.gather(*(answered(sender, url, token, HTTPStatus.FORBIDDEN) for url in urls))
    return max(refused) - revoked


async def revoke(stack: Stack, ingresses: list[str], times: int) -> list[float]:
    async with (
        httpx.AsyncClient(base_url=stack.url("config"), timeout=30) as author,
        httpx.AsyncClient(timeout=30) as sender,
    ):
        who = {"email": stack.admin.email, "password": stack.admin.password}
        author.headers["authorization"] = f"Bearer {(await call(author, 'POST', '/api/v1/session', who))['token']}"
        return [await revoke_one(author, sender, ingresses) for _ in range(times)]


async def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_stack(LocalSettings.on_free_ports(Path(folder))) as stack:
            second = stack.replica("ingress")
            await second.start()
            try:
                took = await revoke(stack, [stack.services["ingress"].address, second.address], times)
            finally:
                await second.stop()
    print(f"{times} revocations: median {statistics.median(took):.3f} s, max {max(took):.3f} s")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else TIMES))
