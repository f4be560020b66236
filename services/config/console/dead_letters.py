"""Pages: Dead letters. What could not be processed, and what shall become of it."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.console.administration import ADMIN
from services.config.console.forms import Form, convert, moment_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.dead_letters.letters import Action, Key
from services.config.dead_letters.of_workspace import CALL_LIMIT, Chosen
from services.config.dead_letters.reading import Listed
from services.config.dead_letters.resolving import can
from services.config.errors import NotFoundError, RequestError
from services.config.rest.dead_letters import ResolveDeadLetters, chosen_by, headers_in, place_in
from services.config.rest.requests import ApiRequest

_PAGE_SIZE: Final = 50
_OFFERED: Final = 200
_BODY_LIMIT: Final = 16_384
_ACTIONS: Final[Mapping[str, Action]] = {"replay": "replayed", "discard": "discarded"}
_TEXTS: Final = ("integrationId", "cause", "service", "id")
_MOMENTS: Final = ("since", "until")


def dead_letter_router() -> Router:
    handlers = [dead_letters_page, dead_letter_page, confirmation_page, resolve]
    return Router("/dead-letters", route_handlers=handlers, include_in_schema=False)


@get("/", opt=ADMIN)
async def dead_letters_page(request: ApiRequest, visit: NamedDependency[Visit]) -> Response[str]:
    form = _query(request)
    try:
        chosen = _chosen(form)
    except RequestError as error:
        return await _list(visit, form, Listed.nothing(), error)
    found = await visit.control.dead_letters.page(visit.identity, chosen, _PAGE_SIZE + 1, _older_than(form))
    return await _list(visit, form, found)


@get("/{dead_letter_id:str}", opt=ADMIN)
async def dead_letter_page(
    dead_letter_id: FromPath[str], request: ApiRequest, visit: NamedDependency[Visit]
) -> Response[str]:
    """The body may be confidential, so it is shown only if it is asked for."""
    found = await visit.control.dead_letters.get(visit.identity, place_in(dead_letter_id))
    sent = (found.record.value or b"").decode(errors="backslashreplace") if _query(request).text("body") else None
    return visit.page(
        "dead_letter.html",
        letter=found.letter,
        resolution=found.resolution,
        headers=headers_in(found),
        sent=sent and sent[:_BODY_LIMIT],
        is_cut=sent is not None and len(sent) > _BODY_LIMIT,
        may_replay=can("replayed", found.letter.cause),
    )


@get(["/replay", "/discard"], opt=ADMIN)
async def confirmation_page(request: ApiRequest, visit: NamedDependency[Visit]) -> Response[str]:
    """How many are meant, before anything happens to them."""
    form = _query(request)
    return await _confirmation(visit, _verb(request), form)


@post(["/replay", "/discard"], opt=ADMIN)
async def resolve(
    request: ApiRequest, visit: NamedDependency[Visit], form: NamedDependency[Form]
) -> Response[str] | Redirect:
    verb = _verb(request)
    try:
        expected = int(seen) if (seen := form.text("count")).isascii() and seen.isdecimal() else 0
        resolved = await visit.control.dead_letters.resolve(visit.identity, _ACTIONS[verb], _chosen(form), expected)
    except RequestError as error:
        return await _confirmation(visit, verb, form, error=error)
    if resolved.left:
        return await _confirmation(visit, verb, form, done=resolved.done)
    return see("/dead-letters", f"letters-{_ACTIONS[verb]}")


def _query(request: ApiRequest) -> Form:
    return Form({name: [value] for name, value in request.query_params.items()})


def _verb(request: ApiRequest) -> str:
    return str(request.scope["path"]).rpartition("/")[2]


def _chosen(form: Form) -> Chosen:
    """What the filter means.

    Raises:
        InvalidError: a field of it has the wrong form.
    """
    given = {name: text for name in _TEXTS if (text := form.text(name).strip())}
    moments = {name: moment for name in _MOMENTS if (moment := moment_in(form, name))}
    return chosen_by(convert({**given, **moments}, ResolveDeadLetters))


def _older_than(form: Form) -> Key | None:
    try:
        return Key.of(cursor) if (cursor := form.text("cursor")) else None
    except ValueError as error:
        raise NotFoundError("There is no such page.") from error


def _scope(form: Form, **changed: str) -> Sequence[tuple[str, str]]:
    """The fields of the filter that say something."""
    texts = {name: form.text(name).strip() for name in (*_TEXTS, *_MOMENTS)} | changed
    return [(name, text) for name, text in texts.items() if text]


async def _list(visit: Visit, form: Form, found: Listed, error: RequestError | None = None) -> Response[str]:
    letters = found.letters[::-1]
    offered = await visit.control.integrations.page(visit.identity, _OFFERED, None)
    integrations = {one.id: one.name for one in offered.items}
    if (chosen := form.text("integrationId")) and error is None:
        integrations.setdefault(chosen, chosen)  # a link may name any
    more = len(letters) > _PAGE_SIZE
    return visit.page(
        "dead_letters.html",
        error,
        form=form,
        integrations=integrations,
        letters=letters[:_PAGE_SIZE],
        causes=[(cause, count, urlencode(_scope(form, cause=cause))) for cause, count in found.causes.most_common()],
        next_cursor=str(letters[_PAGE_SIZE - 1].key) if more else None,
        query=urlencode(_scope(form)),
        is_filtered=bool(_scope(form)),
    )


async def _confirmation(
    visit: Visit, verb: str, form: Form, *, done: int = 0, error: RequestError | None = None
) -> Response[str]:
    causes = await visit.control.dead_letters.count(visit.identity, _ACTIONS[verb], _chosen(form))
    return visit.page(
        "resolve_dead_letters.html",
        error,
        verb=verb,
        action=_ACTIONS[verb],
        scope=_scope(form),
        query=urlencode(_scope(form)),
        causes=causes.most_common(),
        total=causes.total(),
        done=done,
        at_once=CALL_LIMIT,
    )
