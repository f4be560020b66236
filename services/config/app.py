"""The control plane, wired."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.handlers import asgi

from libs.health import AsgiApp, health_routes
from libs.lifecycle import Lifecycle, Service
from libs.sealing import SealedError, Sealer
from services.config.accounts import Accounts
from services.config.activity import Activity
from services.config.activity_reader import ActivityReader
from services.config.api_keys import ApiKeys
from services.config.audit_log import AuditLog
from services.config.business_events import BusinessEvents
from services.config.captures import Captures
from services.config.console.rendering import environment
from services.config.console.routes import console_router, failure_page, static_router
from services.config.console.visit import Control
from services.config.dead_letters.of_workspace import OwnDeadLetters
from services.config.definitions import Clock
from services.config.explanations import Explanations
from services.config.integrations import Integrations
from services.config.passwords import Passwords
from services.config.publisher import DefinitionsPublisher
from services.config.records import Records
from services.config.relay import Relay
from services.config.rest.activity import activity_routes
from services.config.rest.api_keys import api_key_router
from services.config.rest.business_events import business_event_router
from services.config.rest.caching import keep_for_nobody
from services.config.rest.captures import capture_router
from services.config.rest.dead_letters import dead_letter_router
from services.config.rest.errors import BODY_LIMIT_BYTES, error_response
from services.config.rest.integration_answers import IngressUrl
from services.config.rest.integrations import integration_router
from services.config.rest.openapi import openapi
from services.config.rest.requests import STRICT, ApiRequest, check_query, identity, permission_guard
from services.config.rest.sessions import session_routes
from services.config.rest.tokens import signing_key_router, token_routes
from services.config.rest.users import other_routes, user_router
from services.config.rest.workspace import workspace_routes
from services.config.samples import SampleReader
from services.config.settings import Settings
from services.config.sightings import Sightings
from services.config.signing_keys import SigningKeys
from services.config.store.activity import ActivityStore
from services.config.store.database import Database
from services.config.store.keys import sealed_texts
from services.config.store.lock import RelayLock
from services.config.store.migrate import LaterTablesError
from services.config.store.outbox import Outbox
from services.config.store.scope import Workspaces
from services.config.tokens import Tokens
from services.config.users import Users
from services.config.workspace import OwnWorkspace

__all__ = ["Settings", "build"]

Handler = Callable[[Request[Any, Any, Any], Exception], Response[Any]]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, now: Clock = _utc_now) -> Service:
    """The service. It serves whether Kafka is there or not; what it stores is relayed as soon as Kafka is.

    Without its database it starts, is not ready, and goes on when the database answers. It ends if a stored secret
    cannot be opened with the master keys that it has, or if the tables are those of a later release.

    Raises:
        SettingsError: the database is of no kind that is supported, or the master key is none.
    """
    lifecycle = Lifecycle()
    database = Database(settings.database)
    workspaces = Workspaces(database, now)
    sealer = Sealer(settings.master_key)
    passwords = Passwords()
    accounts = Accounts(database, passwords, session_lifetime=timedelta(hours=settings.session_hours), now=now)
    tokens_live = timedelta(minutes=settings.token_minutes)
    rotation = timedelta(days=settings.signing_key_days)
    signing_keys = SigningKeys(workspaces, sealer, tokens_live=tokens_live, rotation=rotation)
    captures = Captures(workspaces)
    samples = SampleReader(settings.kafka, captures.note, now)
    publisher = DefinitionsPublisher(settings.kafka)
    relay = Relay(Outbox(database), publisher, workspaces, RelayLock(database))
    activity_reader = ActivityReader(settings.kafka, ActivityStore(database), relay.is_active, now)

    async def set_up() -> None:
        await accounts.set_up(settings.admin_email, settings.admin_password)
        async with database.migrating() as connection:
            for sealed in await sealed_texts(connection):
                sealer.check(sealed)

    async def relaying() -> None:
        await database.until_set_up(set_up)
        await relay.run()

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        try:
            try:
                await database.set_up(set_up)
            except (SealedError, LaterTablesError) as error:
                lifecycle.fail(error)
            lifecycle.spawn("relay", relaying())
            lifecycle.spawn("samples", samples.run())
            lifecycle.spawn("captures", captures.run(relay.is_active))
            lifecycle.spawn("activity", activity_reader.run())
            lifecycle.spawn("signing keys", signing_keys.run())
            yield
        finally:
            await lifecycle.close()
            await publisher.close()
            await database.close()

    control = Control(
        accounts=accounts,
        integrations=Integrations(workspaces, sealer),
        captures=captures,
        activity=Activity(workspaces),
        explanations=Explanations(workspaces, Sightings(Records(settings.kafka))),
        dead_letters=OwnDeadLetters(workspaces, settings.kafka),
        workspace=OwnWorkspace(workspaces),
        business_events=BusinessEvents(workspaces),
        api_keys=ApiKeys(workspaces, signing_keys),
        users=Users(workspaces, passwords),
        audit_log=AuditLog(workspaces),
        sealer=sealer,
        ingress_url=IngressUrl(settings.ingress_url),
        config_url=settings.config_url.rstrip("/"),
    )
    templates = environment()
    v1 = Router(
        "/api/v1",
        route_handlers=[
            *session_routes(),
            *workspace_routes(),
            integration_router(),
            business_event_router(),
            capture_router(),
            *activity_routes(),
            dead_letter_router(),
            user_router(),
            *other_routes(),
            api_key_router(),
            signing_key_router(),
        ],
        opt=STRICT,
        before_request=check_query,
    )
    api = Router(
        "/",
        route_handlers=[v1, *token_routes(), console_router(control, templates)],
        guards=[permission_guard(accounts)],
        request_class=ApiRequest,
        dependencies={
            "identity": Provide(identity),
            "accounts": _given(accounts),
            "integrations": _given(control.integrations),
            "business_events": _given(control.business_events),
            "users": _given(control.users),
            "log": _given(control.audit_log),
            "workspace": _given(control.workspace),
            "captures": _given(captures),
            "activity": _given(control.activity),
            "explanations": _given(control.explanations),
            "dead_letters": _given(control.dead_letters),
            "stopping": _given(lifecycle.stopping),
            "api_keys": _given(control.api_keys),
            "signing_keys": _given(signing_keys),
            "tokens": _given(Tokens(database, workspaces, sealer, tokens_live=tokens_live, now=now)),
            "ingress_url": _given(control.ingress_url),
            "secure_cookie": _given(settings.config_url.lower().startswith("https://")),
        },
    )
    ready = {"sql": database.answers, "kafka": publisher.answers}
    health = health_routes("config", alive=lambda: lifecycle.alive, ready=ready)
    app = Litestar(
        route_handlers=[api, static_router(), *(asgi(path, copy_scope=True)(route) for path, route in health)],
        lifespan=[running],
        exception_handlers={Exception: _failed(failure_page(templates))},
        before_send=[keep_for_nobody],
        request_max_body_size=BODY_LIMIT_BYTES,
        openapi_config=openapi(),
        logging_config=None,
    )
    return Service(cast("AsgiApp", app), lifecycle)


def _failed(page: Handler) -> Handler:
    """Programs are answered in JSON, and people, who are everywhere else, with a page."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        is_program = request.scope["path"].startswith(("/api/", "/uauth/", "/.well-known/", "/schema", "/static/"))
        return error_response(request, error) if is_program else page(request, error)

    return answer


def _given(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
