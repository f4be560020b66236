"""The operator's routes of every service: ``/healthz``, ``/readyz`` and ``/metrics``, as plain ASGI applications."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.telemetry import registry_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Check = Callable[[], Awaitable[bool]]


def health_routes(service: str, *, alive: Callable[[], bool], ready: Mapping[str, Check]) -> list[tuple[str, AsgiApp]]:
    """Make the three routes of a service.

    `alive` says whether the process makes progress; `ready` maps what the service needs (``definitions``, ``kafka``,
    ``redis``...) to a check of it. A check that raises counts as not ready.
    """
    registry = registry_of(service)

    async def healthz() -> tuple[int, bytes, str]:
        return _report({"progress": alive()})

    async def readyz() -> tuple[int, bytes, str]:
        return _report({name: await _holds(check) for name, check in ready.items()})

    async def metrics() -> tuple[int, bytes, str]:
        return 200, generate_latest(registry), CONTENT_TYPE_LATEST

    return [("/healthz", answering(healthz)), ("/readyz", answering(readyz)), ("/metrics", answering(metrics))]


async def _holds(check: Check) -> bool:
    try:
        return await check()
    except Exception:  # noqa: BLE001 whatever a check raises, the answer is: not ready
        return False


def _report(checks: Mapping[str, bool]) -> tuple[int, bytes, str]:
    return 200 if all(checks.values()) else 503, msgspec.json.encode(checks), "application/json"


def answering(answer: Callable[[], Awaitable[tuple[int, bytes, str]]]) -> AsgiApp:
    """An application that answers every request with a status, a body and its content type."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 what ASGI passes
        status, body, content_type = await answer()
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _leaving() -> tuple[int, bytes, str]:
    return _report({"staying": False})


NOT_READY: Final = answering(_leaving)
"""What ``/readyz`` answers, whatever holds, when the process is about to stop."""
