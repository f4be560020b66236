"""Pages: templates with what every one of them needs, and the headers that keep a browser from doing harm."""

import gzip
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
from litestar.serialization import default_serializer
from litestar.types import Serializer
from msgspec import Struct

from services.config.advice import advice_on_key, advice_on_user
from services.config.console.forms import Faults
from services.config.console.labels import GROUP_NAMES, OPERATOR_GROUPS, condition_text, field_name, shape_of, type_name
from services.config.console.typed import held
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
PAGE_HEADERS: Final = HEADERS | {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
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
    "letters-replayed": "Replayed. What fails again becomes a dead letter again.",
    "letters-discarded": "Discarded.",
    "signed-out": "You are signed out.",
    "password": "The password is changed. Sign in with it.",
}


class CompressedPage(Response[str]):
    """A page as a browser takes it. A builder with hundreds of conditions repeats itself a lot."""

    def render(self, content: object, media_type: str, enc_hook: Serializer = default_serializer) -> bytes:
        return gzip.compress(super().render(content, media_type, enc_hook), compresslevel=6, mtime=0)


class View(Struct, frozen=True, kw_only=True):
    """Who looks, at what. `identity` is None before somebody has signed in."""

    environment: Environment
    path: str
    notice: str = ""
    csrf: str = ""
    identity: Identity | None = None
    takes_gzip: bool = False

    def page(self, template: str, status: int = 200, /, **context: object) -> Response[str]:
        """The page made from a template."""
        known = {"view": self, "faults": Faults(), "outdated": False, "notice": NOTICES.get(self.notice, "")}
        text = self.environment.get_template(template).render(known | context)
        if self.takes_gzip:
            headers = PAGE_HEADERS | {"Content-Encoding": "gzip"}
            return CompressedPage(text, status_code=status, media_type="text/html", headers=headers)
        return Response(text, status_code=status, media_type="text/html", headers=PAGE_HEADERS)

    def may(self, permission: str) -> bool:
        """Whether who looks may do something, so that a page offers it."""
        return self.identity is not None and self.identity.may(Permission(permission))


def see(path: str, notice: str = "", section: str = "") -> Redirect:
    """On to another page, with something to say there, and a section to open."""
    query = urlencode({name: value for name, value in (("open", section), ("notice", notice)) if value})
    target = f"{path}{'?' if query else ''}{query}{'#' if section else ''}{section}"
    return Redirect(target, status_code=303, headers=PAGE_HEADERS)


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
    made.filters |= {"as_json": _as_json, "short": short, "pretty": pretty, "iso": _iso, "plain": _plain, "held": held}
    made.globals |= {
        "advice_on_key": advice_on_key,
        "advice_on_user": advice_on_user,
        "asset": _assets().__getitem__,
        "condition_text": condition_text,
        "field_name": field_name,
        "group_names": GROUP_NAMES,
        "operator_groups": OPERATOR_GROUPS,
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


def short(value: object) -> str:
    """A value as JSON, cut where it is long."""
    text = _as_json(value)
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}…"


def pretty(value: object) -> str:
    """JSON, given as such or as a value, on many lines."""
    return msgspec.json.format(value if isinstance(value, bytes) else msgspec.json.encode(value), indent=2).decode()


def _iso(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(moment: datetime | str) -> str:
    """A time for people, in UTC; in a browser the script puts it into the reader's zone."""
    return f"{_iso(moment)[:19].replace('T', ' ')} UTC"
