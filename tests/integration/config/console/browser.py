"""Somebody with a browser that runs no scripts."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

import httpx
import msgspec
from litestar.routes import HTTPRoute

from libs.messages import RefusedSample, Sample
from services.config.captures import Captures
from services.config.store.database import Database
from services.config.store.scope import Workspaces
from tests.forms import Button, Document, HtmlForm
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, settings

ORIGIN = "http://config"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_OF_THE_CONSOLE = ("/api/", "/uauth", "/.well-known", "/schema", "/static")


class Browser:
    """What is on the screen is `page`; labels and texts of buttons name what is on it, as people would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.answer = httpx.Response(200)
        self.page = Document("")

    async def open(self, path: str, *, status: int = 200) -> Self:
        return await self._show(await self.client.get(path), status)

    async def press(
        self, text: str, filling: Mapping[str, str | bool] | None = None, *, form: str | None = None, status: int = 200
    ) -> Self:
        """Fill in fields by their labels, and press a button; `form` tells which, where several have it."""
        for label, value in (filling or {}).items():
            self.fill(label, value)
        if form is None:
            sender, button = self.page.button(text)
        else:
            sender = self.page.form(form)
            button = next(one for one in sender.buttons if one.text == text)
        assert not button.is_disabled, f"{text} cannot be pressed"
        return await self.send(sender, button, status=status)

    def fill(self, label: str, value: str | bool) -> None:  # noqa: FBT001  a box is on or off
        field = self.page.field(label)
        assert not field.is_disabled, f"{label} cannot be filled in"
        if isinstance(value, bool):
            field.is_on = value
            return
        assert field.kind != "select" or value in field.options, f"{value} cannot be chosen"
        field.value = value

    async def send(self, form: HtmlForm, button: Button | None = None, *, status: int = 200) -> Self:
        action = (button.action if button else "") or form.action or str(self.answer.url)
        if form.method == "get":
            return await self._show(await self.client.get(action, params=dict(form.pairs(button))), status)
        return await self.post(action, form.pairs(button), status=status)

    async def post(self, path: str, pairs: Iterable[tuple[str, str]], *, status: int = 200) -> Self:
        content = str(httpx.QueryParams(list(pairs)))
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return await self._show(await self.client.post(path, content=content, headers=headers), status)

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> Self:
        await self.open("/sign-in")
        return await self.press("Sign in", {"Email address": email, "Password": password})

    @property
    def path(self) -> str:
        return self.answer.url.path

    @property
    def mark(self) -> str:
        """What forms of this page prove by that they are of this session."""
        return next(field.value for form in self.page.forms for field in form.fields if field.name == "csrf")

    async def _show(self, answer: httpx.Response, status: int) -> Self:
        self.answer, self.page = answer, Document(answer.text)
        assert answer.status_code == status, (answer.status_code, answer.url, self.page.text)
        return self


@asynccontextmanager
async def browser(plane: ControlPlane, **headers: str) -> AsyncIterator[Browser]:
    """A browser in front of the console, signed out."""
    transport = httpx.ASGITransport(app=cast("Any", plane.app), raise_app_exceptions=False)
    sent = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **{k.replace("_", "-"): v for k, v in headers.items()}}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=sent, follow_redirects=True) as client:
        yield Browser(client)


def console_routes(plane: ControlPlane) -> set[tuple[str, str]]:
    """Method and path of every page, and of everything that a form is sent to; ids are ``{id}``."""
    return {
        (method, re.sub(r"\{\w+\}", "{id}", route.path_format))
        for route in plane.app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith(NOT_OF_THE_CONSOLE)
        for method in route.methods - {"OPTIONS"}
    }


async def receive(
    folder: Path,
    integration_id: str,
    body: object,
    headers: dict[str, str] | None = None,
    *,
    generation: int = 1,
    refused: str = "",
) -> None:
    """Do as if the ingress had seen this request while the capture was armed."""
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    seen: list[Sample | RefusedSample] = [
        Sample(
            integration_id=integration_id,
            generation=generation,
            received_at=at,
            headers=headers or {},
            body=msgspec.Raw(raw),
        )
    ]
    if refused:
        seen.insert(
            0,
            RefusedSample(
                integration_id=integration_id, generation=generation, received_at=at, status=401, reason=refused
            ),
        )
    database = Database(settings(folder).database)
    try:
        await Captures(Workspaces(database, lambda: datetime.now(UTC))).note(seen)
    finally:
        await database.close()
