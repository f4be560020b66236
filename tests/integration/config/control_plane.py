"""The control plane as a test uses it: the real `build()` on a database of its own, with an administrator logged in."""

import asyncio
import base64
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from deploy.local.ports import LOOPBACK, free_port
from services.config.app import Settings, build

EMAIL = "admin@example.com"
PASSWORD = "correct horse battery"
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
DATABASE_URL = "database.url"
SQLITE_FILE = "inlet.db"
EVERYTHING: dict[str, object] = {}

# What is decided above the store is tested on SQLite, and with EVERYTHING=1 (see ``make test``) on each kind.
SERVERS_ABOVE_THE_STORE = ["sqlite", "postgresql"] if os.environ.get("EVERYTHING") else ["sqlite"]
above_the_store = pytest.mark.parametrize("server", SERVERS_ABOVE_THE_STORE, indirect=True)


def settings(folder: Path, kafka: str | None = None) -> Settings:
    """Settings with the database of `folder`; without `kafka`, with one where nobody listens.

    It is the one whose URL is noted there (see the fixture `tmp_path`), or else a SQLite file in it.
    """
    noted = folder / DATABASE_URL
    return Settings(
        kafka=kafka or f"{LOOPBACK}:{free_port()}",
        database=noted.read_text() if noted.exists() else f"sqlite:///{folder / SQLITE_FILE}",
        ingress_url="https://hooks.example.com/",
        master_key=MASTER_KEY,
        admin_email=EMAIL,
        admin_password=PASSWORD,
    )


class Clock:
    """The time of a control plane, moved by its test."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


class ControlPlane:
    """A running control plane, and a client of it whose session is the administrator's."""

    def __init__(self, app: Litestar, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    async def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:  # noqa: ANN401
        """What a request is answered with; it must be with `status`."""
        response = await self.client.request(method, path, json=body)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    @property
    def token(self) -> str:
        """The token of the session."""
        return self.client.headers["authorization"].removeprefix("Bearer ")

    @token.setter
    def token(self, token: str) -> None:
        self.client.headers["authorization"] = f"Bearer {token}"

    async def log_in(self, email: str) -> None:
        """Use a new session of this user from now on, by its token."""
        login = {"email": email, "password": PASSWORD}
        answer = await self.call("POST", "/api/v1/session", login, status=201)
        self.token = answer["token"]
        self.client.cookies.clear()

    def routes(self, integration_id: str, event_id: str, **others: str) -> set[tuple[str, str]]:
        """Method and path of every route of the API, filled in with these ids, any other with the first."""
        ids = defaultdict(lambda: integration_id, event_id=event_id, **others)
        return {
            (method, route.path_format.format_map(ids))
            for route in self.app.routes
            if isinstance(route, HTTPRoute) and route.path.startswith(("/api/", "/uauth", "/.well-known"))
            for method in route.methods - {"OPTIONS"}
        }

    async def create_integration(self, name: str = "Complaints", **fields: object) -> str:
        body = {"name": name, "auth": {"kind": "none"}, **fields}
        answer = await self.call("POST", "/api/v1/integrations", body, status=201)
        return str(answer["id"])

    async def create_business_event(self, integration_id: str, name: str = "High") -> str:
        body = {"name": name, "integrationId": integration_id, "where": EVERYTHING}
        answer = await self.call("POST", "/api/v1/business-events", body, status=201)
        return str(answer["id"])


@asynccontextmanager
async def serving(
    chosen: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC), token: str | None = None
) -> AsyncIterator[ControlPlane]:
    """The control plane with these settings, started and at the end stopped; with a new session, or that of `token`."""
    app = cast("Litestar", build(chosen, now).app)
    transport = httpx.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
    async with living(app), httpx.AsyncClient(transport=transport, base_url="http://config") as client:
        plane = ControlPlane(app, client)
        if token is None:
            await plane.log_in(EMAIL)
        else:
            plane.token = token
        yield plane


@asynccontextmanager
async def living(app: Litestar) -> AsyncIterator[None]:
    """The application's lifespan, in one task: it must end where it began, and fixtures end in another."""
    started, stopping = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stopping.wait()

    life, start = asyncio.create_task(live()), asyncio.create_task(started.wait())
    try:
        await asyncio.wait([life, start], return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            yield
    finally:
        start.cancel()
        stopping.set()
        await life
