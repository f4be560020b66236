"""Pages: Settings. Users, one's own account, the audit log."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from services.config.console.forms import Form, convert, revision_in
from services.config.console.once import COOKIE, Once, show_once, to_show
from services.config.console.paging import cursor_in
from services.config.console.rendering import see
from services.config.console.visit import Visit
from services.config.errors import RequestError
from services.config.identity import ROLES, Permission, Permissions, User, role_of
from services.config.rest.requests import SIGNED_IN, ApiRequest, client_address, needs
from services.config.users import NewUser, UserChanges
from services.config.workspace import WorkspaceChanges, time_zones

ADMIN: Final = needs(Permission.ADMIN)
_PAGE_SIZE: Final = 50
_USERS: Final = "/users"
_ROLE_NAMES: Final[Mapping[str, str]] = {
    "viewer": "Viewer: sees integrations",
    "author": "Author: also makes drafts",
    "publisher": "Publisher: also publishes",
    "administrator": "Administrator: does everything",
}


def administration_routers() -> list[Router]:
    users = [users_page, create_user, user_page, change_user, remove_user]
    others = [audit_page, account_page, change_password, workspace_page, change_workspace]
    return [
        Router(_USERS, route_handlers=users, include_in_schema=False),
        Router("/", route_handlers=others, include_in_schema=False),
    ]


@get("/", opt=ADMIN)
async def users_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    made = to_show(visit, _USERS, request)
    page = await _users(visit, cursor_in(request), made=made)
    if made:
        page.delete_cookie(COOKIE, path=_USERS)
    return page


@post("/", opt=ADMIN)
async def create_user(
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    """A generated password is on the page that this leads to, and never again."""
    fields = {"email": form.text("email"), **_allowed(form)}
    try:
        made = await visit.control.users.create(visit.identity, convert(fields, NewUser))
    except RequestError as error:
        return await _users(visit, None, error=error, form=form)
    return show_once(visit, _USERS, Once(id=made.user.id, secret=made.password or ""))


@get("/{user_id:uuid}", opt=ADMIN)
async def user_page(
    user_id: FromPath[UUID],
    visit: NamedDependency[Visit],
) -> Response[str]:
    return _user(visit, await visit.control.users.get(visit.identity, str(user_id)))


@post("/{user_id:uuid}", opt=ADMIN)
async def change_user(
    user_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    fields = _allowed(form)
    if form.text("password"):
        fields["password"] = form.text("password")
    try:
        await visit.control.users.change(visit.identity, str(user_id), convert(fields, UserChanges), revision_in(form))
    except RequestError as error:
        return _user(visit, await visit.control.users.get(visit.identity, str(user_id)), error=error, form=form)
    return see(f"{_USERS}/{user_id}", "changed")


@post("/{user_id:uuid}/delete", opt=ADMIN)
async def remove_user(
    user_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    try:
        await visit.control.users.delete(visit.identity, str(user_id), revision_in(form))
    except RequestError as error:
        return _user(visit, await visit.control.users.get(visit.identity, str(user_id)), error=error)
    return see(_USERS, "deleted")


@get("/audit-log", opt=ADMIN)
async def audit_page(
    request: ApiRequest,
    visit: NamedDependency[Visit],
) -> Response[str]:
    kind, subject = request.query_params.get("kind") or None, request.query_params.get("subject") or None
    found = await visit.control.audit_log.page(visit.identity, _PAGE_SIZE, cursor_in(request), kind, subject)
    return visit.page("audit_log.html", entries=found.items, next_cursor=found.next_cursor, kind=kind, subject=subject)


@get("/account", opt=SIGNED_IN)
async def account_page(visit: NamedDependency[Visit]) -> Response[str]:
    return visit.page("account.html")


@post("/account", opt=SIGNED_IN)
async def change_password(
    request: ApiRequest,
    visit: NamedDependency[Visit],
    form: NamedDependency[Form],
) -> Response[str] | Redirect:
    try:
        new = convert({"password": form.text("password")}, UserChanges).password
        with visit.control.accounts.guessing(visit.identity.email, client_address(request)):
            await visit.control.users.change_own_password(visit.identity, form.text("currentPassword"), str(new))
    except RequestError as error:
        return visit.page("account.html", error)
    return see("/sign-in", "password")


@get("/workspace", opt=ADMIN)
async def workspace_page(visit: NamedDependency[Visit]) -> Response[str]:
    return await _workspace(visit)


@post("/workspace", opt=ADMIN)
async def change_workspace(visit: NamedDependency[Visit], form: NamedDependency[Form]) -> Response[str] | Redirect:
    """Another time zone is in force for all Business Events at once."""
    fields = {"name": form.text("name"), "timeZone": form.text("timeZone").strip()}
    try:
        changes = convert(fields, WorkspaceChanges)
        await visit.control.workspace.change(visit.identity, changes, revision_in(form))
    except RequestError as error:
        return await _workspace(visit, error, form)
    return see("/workspace", "changed")


async def _workspace(visit: Visit, error: RequestError | None = None, form: Form | None = None) -> Response[str]:
    workspace = await visit.control.workspace.get(visit.identity)
    shown = form or Form({
        "name": [workspace.name],
        "timeZone": [workspace.time_zone],
        "revision": [str(workspace.revision)],
    })  # fmt: skip
    return visit.page("workspace.html", error, form=shown, zones=sorted(time_zones()))


async def _users(
    visit: Visit,
    cursor: str | None,
    *,
    error: RequestError | None = None,
    form: Form | None = None,
    made: Once | None = None,
) -> Response[str]:
    found = await visit.control.users.page(visit.identity, _PAGE_SIZE, cursor)
    return visit.page(
        "users.html",
        error,
        users=found.items,
        next_cursor=found.next_cursor,
        made=made,
        form=form or Form({}),
        role_of=role_of,
        **_choice(ROLES["author"], form),
    )


def _user(visit: Visit, user: User, error: RequestError | None = None, form: Form | None = None) -> Response[str]:
    return visit.page(
        "user.html",
        error,
        user=user,
        revision=form.text("revision") if form else user.revision,
        **_choice(user.permissions, form),
    )


def _allowed(form: Form) -> dict[str, object]:
    """What a user may do: a role, or where none is chosen what is ticked."""
    role = form.text("role")
    return {"role": role} if role else {"permissions": form.texts("permission")}


def _choice(permissions: Permissions, form: Form | None) -> dict[str, object]:
    """The fields for that: as they are stored, or as they were sent."""
    return {
        "role": form.text("role") if form else role_of(permissions) or "",
        "roles": _ROLE_NAMES,
        "chosen": form.texts("permission") if form else list(permissions),
        "permissions": _permission_names(),
    }


def _permission_names() -> Sequence[tuple[str, str]]:
    return (
        (Permission.AUTOMATION_ACCESS, "Access Automation Hub"),
        (Permission.INTEGRATIONS_READ, "See incoming integrations"),
        (Permission.INTEGRATIONS_WRITE, "Create and edit incoming integrations"),
        (Permission.INTEGRATIONS_PUBLISH, "Publish incoming integrations"),
        (Permission.ADMIN, "Administrate: API keys, users, dead letters, audit log, workspace"),
    )
