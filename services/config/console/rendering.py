"""Pages: templates with what every one of them needs, and the headers that keep a browser from doing harm."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.response import Redirect
from msgspec import Struct

from services.config.console.forms import Faults
from services.config.console.labels import OPERATOR_GROUPS, label_of, shape_of, type_name
from services.config.identity import Identity, Permission

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"

HEADERS: Final = {
    # Scripts, styles and pictures of this service and of nobody else; nothing inline, and no frame around it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_VALUE_LIMIT: Final = 120
# What a notice says is written here: a link cannot put words into our mouth.
NOTICES: Final = {
    "saved": "Saved as a draft.",
    "applied": "Applied to the draft.",
    "published": "Saved and published. The endpoint takes requests now.",
    "unpublished": "Unpublished. The endpoint answers 404.",
    "discarded": "The draft is what is published again.",
    "deleted": "Deleted.",
    "created": "Created.",
    "changed": "Saved.",
    "activated": "Activated. It triggers from now on.",
    "paused": "Paused. It triggers nothing until it is activated.",
    "revoked": "Revoked. Its tokens are refused from now on.",
    "signed-out": "You are signed out.",
    "password": "The password is changed. Sign in with it.",
}


class View(Struct, frozen=True, kw_only=True):
    """Who looks, at what. `identity` is None before somebody has signed in."""

    environment: Environment
    path: str
    notice: str = ""
    csrf: str = ""
    identity: Identity | None = None

    def page(self, template: str, status: int = 200, /, **context: object) -> Response[str]:
        """The page made from a template."""
        known = {"view": self, "faults": Faults(), "notice": NOTICES.get(self.notice, "")}
        text = self.environment.get_template(template).render(known | context)
        return Response(
            text, status_code=status, media_type="text/html", headers=HEADERS | {"Cache-Control": "no-store"}
        )

    def may(self, permission: str) -> bool:
        """Whether who looks may do something, so that a page offers it."""
        return self.identity is not None and self.identity.may(Permission(permission))


def see(path: str, notice: str = "", section: str = "") -> Redirect:
    """On to another page, with something to say there, and a section to open."""
    query = urlencode({name: value for name, value in (("open", section), ("notice", notice)) if value})
    target = f"{path}{'?' if query else ''}{query}{'#' if section else ''}{section}"
    return Redirect(target, status_code=303, headers=HEADERS | {"Cache-Control": "no-store"})


def environment() -> Environment:
    """The templates. Whatever is put into one is escaped, and what is missing is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"as_json": _as_json, "short": _short, "pretty": _pretty, "iso": _iso, "plain": _plain}
    made.globals |= {
        "asset": _assets().__getitem__,
        "operator_groups": OPERATOR_GROUPS,
        "operator_label": label_of,
        "shape_of": shape_of,
        "type_name": type_name,
        "unset": msgspec.UNSET,
    }
    return made


def _assets() -> Mapping[str, str]:
    """The URL of each static file; it changes with the content, so that browsers may keep what they have."""
    return {
        path.name: f"/static/{path.name}?{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        for path in STATIC.iterdir()
    }


def _as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _short(value: object) -> str:
    """A value as JSON, cut where it is long."""
    text = _as_json(value)
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}…"


def _pretty(value: object) -> str:
    return msgspec.json.format(value if isinstance(value, bytes) else msgspec.json.encode(value), indent=2).decode()


def _iso(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(moment: datetime | str) -> str:
    """A time for people, in UTC; in a browser the script puts it into the reader's zone."""
    return f"{_iso(moment)[:19].replace('T', ' ')} UTC"
