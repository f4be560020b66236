"""A secret on its way to the one page that shows it: sealed, in a cookie that this page takes away.

A form that makes a secret leads to a page, as every form does, so that loading that page again makes nothing anew.
"""

from typing import Final

import msgspec
from litestar.datastructures import Cookie
from litestar.response import Redirect
from msgspec import Struct

from libs.sealing import SealedError
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.rest.requests import ApiRequest

COOKIE: Final = "shown_once"
_KEPT_S: Final = 60


class Once(Struct, frozen=True, kw_only=True):
    """A secret, and the id of what it belongs to."""

    id: str
    secret: str


def show_once(visit: Visit, path: str, made: Once) -> Redirect:
    """On to the page at `path`, which shows a secret to the user who has made it and to nobody else."""
    sealed = visit.control.sealer.seal(msgspec.json.encode(made), _place(visit, path))
    is_secure = visit.control.config_url.lower().startswith("https://")
    redirect = see(path)
    redirect.cookies = [
        Cookie(key=COOKIE, value=sealed, path=path, max_age=_KEPT_S, httponly=True, samesite="strict", secure=is_secure)
    ]
    return redirect


def to_show(visit: Visit, path: str, request: ApiRequest) -> Once | None:
    """What the page at `path` is to show now; it then deletes the cookie."""
    sealed = request.cookies.get(COOKIE)
    if sealed is None:
        return None
    try:
        return msgspec.json.decode(visit.control.sealer.open(sealed, _place(visit, path)), type=Once)
    except SealedError:
        return None


def _place(visit: Visit, path: str) -> str:
    return f"shown-once{path}/{visit.identity.user_id}"
