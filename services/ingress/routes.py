"""The edge to the senders: the webhook endpoint, as a plain ASGI application because it is the hot path."""

import time

from libs import telemetry
from libs.health import Receive, Scope, Send
from services.ingress import answers, checks
from services.ingress.acceptance import Acceptance
from services.ingress.answers import HttpAnswer
from services.ingress.body import Body, Reader
from services.ingress.patience import Patience
from services.ingress.settings import Settings
from services.ingress.snapshot import Snapshot


class Endpoint:
    """Answers every HTTP request that is not for operators; where no integration is, with 404."""

    def __init__(self, snapshot: Snapshot, acceptance: Acceptance, settings: Settings) -> None:
        self._snapshot = snapshot
        self._acceptance = acceptance
        self._settings = settings
        self._patience: Patience[Reader] = Patience(settings.body_idle_timeout_s, _cancel)
        self._counters = {status: telemetry.REQUESTS.labels(str(status)) for status in answers.STATUSES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        body = Body(receive)
        answer = await self._answer(scope, body)
        if answer is None:
            return
        self._counters[answer.status].inc()
        telemetry.REQUEST_SECONDS.observe(time.perf_counter() - started)
        await _send(answer, body, send, early=not body.finished and checks.has_body(scope["headers"]))

    async def _answer(self, scope: Scope, body: Body) -> HttpAnswer | None:
        """Check in the order of the answers; None if the sender has gone."""
        route = self._snapshot.find(checks.integration_id(scope["raw_path"]))
        if isinstance(route, HttpAnswer):
            return route
        if checks.are_too_large(scope["headers"]):
            return answers.HEADERS_TOO_LARGE
        headers = checks.fold_headers(scope["headers"])
        refusal = checks.refuse_head(scope["method"], headers, self._settings.body_limit_bytes)
        if refusal is not None:
            return refusal
        raw = await body.read(self._settings, self._patience)
        if not isinstance(raw, bytes):
            return raw
        decoded = checks.decode_body(raw)
        if decoded is None:
            return answers.malformed(time.time_ns())
        return await self._acceptance.accept(route, headers, decoded, raw)


def _cancel(reader: Reader) -> None:
    reader.cancel()


async def _send(answer: HttpAnswer, body: Body, send: Send, *, early: bool) -> None:
    """Send an answer. If it did not wait for the whole body, the connection ends with it, see `Body.drain`."""
    headers = [*answer.headers, (b"connection", b"close")] if early else list(answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": early})
    if early:
        await body.drain()
        await send({"type": "http.response.body"})
