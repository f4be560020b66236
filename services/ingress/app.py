"""The ingress, wired."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import cast

from litestar import Litestar, asgi

from libs import topics
from libs.claims import RedisClaims
from libs.definitions import KINDS, DefinitionsView
from libs.health import AsgiApp, Receive, Scope, Send, health_routes
from libs.lifecycle import Lifecycle, Service
from libs.owners import RedisOwners
from libs.redis import redis_client
from libs.sealing import Sealer
from services.ingress.acceptance import Acceptance
from services.ingress.checks import has_body
from services.ingress.connection import Connection
from services.ingress.crowd import Crowd
from services.ingress.producer import BatchProducer
from services.ingress.protocol import BoundedHttpProtocol
from services.ingress.reports import Reports
from services.ingress.routes import Endpoint
from services.ingress.samples import Samples
from services.ingress.settings import Settings
from services.ingress.snapshot import Compiler, Snapshot
from services.ingress.tally import Tallies

__all__ = ["Settings", "build", "http_protocol"]


def http_protocol(settings: Settings) -> Callable[..., asyncio.Protocol]:
    """What the server makes for each connection."""
    return partial(BoundedHttpProtocol, crowd=Crowd(settings.connections_limit))


def build(settings: Settings) -> Service:
    """Wire the service. It answers as soon as it is served, with 503 until the definitions are loaded.

    Raises:
        SettingsError: Redis's URL or the master key is none.
    """
    lifecycle = Lifecycle()
    tallies = Tallies()
    snapshot = Snapshot(Compiler(Sealer(settings.master_key), tallies, settings.replicas))
    view = DefinitionsView(settings.kafka, snapshot.apply, KINDS - {"business-event"})
    redis = redis_client(settings.redis, settings.redis_timeout_s)
    claims = RedisClaims(redis, timedelta(seconds=settings.deduplication_window_s))
    # Each topic has its own: what goes wrong with samples must not delay requests.
    requests, samples, activity = (
        Connection(settings.kafka, topic) for topic in (topics.REQUESTS, topics.SAMPLES, topics.ACTIVITY)
    )
    request_log, sample_log, activity_log = (
        BatchProducer(
            connection, timeout_s=settings.produce_timeout_s, pending_limit_bytes=settings.pending_limit_bytes
        )
        for connection in (requests, samples, activity)
    )
    captured = Samples(sample_log)
    reports = Reports(tallies, RedisOwners(redis), activity_log)
    endpoint = Endpoint(snapshot, Acceptance(request_log, claims, lambda: view.offset), captured, settings)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        lifecycle.spawn("definitions view", view.run())
        lifecycle.spawn("connection for requests", requests.run())
        lifecycle.spawn("connection for samples", samples.run())
        lifecycle.spawn("connection for activity", activity.run())
        lifecycle.spawn("activity", reports.run())
        gc.freeze()  # what exists now lives as long as the process: the collector need not look at it again
        yield
        # The server has finished the requests in hand before it gets here.
        await captured.close()
        await reports.close()
        await lifecycle.close()
        await redis.aclose()

    async def loaded() -> bool:
        return view.ready

    async def redis_answers() -> bool:
        await claims.ping()
        return True

    ready = {"definitions": loaded, "kafka": requests.reachable, "redis": redis_answers}
    health = health_routes("ingress", alive=lambda: lifecycle.alive, ready=ready)
    operators = Litestar(
        [asgi(path, copy_scope=True)(app) for path, app in health],
        lifespan=[running],
        openapi_config=None,
        logging_config=None,
    )

    paths = {path for path, _ in health}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # What is not for operators is for senders, who all get the same answer where nothing is. So is a request with
        # a body: operators' routes would leave it unread, and the connection in a state that no client expects.
        if scope["type"] == "http" and (scope["path"] not in paths or has_body(scope["headers"])):
            await endpoint(scope, receive, send)
        else:
            await cast("AsgiApp", operators)(scope, receive, send)

    return Service(app, lifecycle)
