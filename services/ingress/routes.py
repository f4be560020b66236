"""The edge to the senders: the webhook endpoint, as a plain ASGI application because it is the hot path."""

import time
from http import HTTPStatus
from typing import NamedTuple

from libs import telemetry
from libs.activity import Input, inputs_of
from libs.batches import exceed_limit
from libs.bodies import BodyError, decode_body
from libs.health import Receive, Scope, Send
from libs.identifiers import new_event_id
from libs.messages import Capture
from services.ingress import answers, checks
from services.ingress.acceptance import Acceptance
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Denial, Request
from services.ingress.body import Body, Intake, Reader
from services.ingress.exchange import exchange_of
from services.ingress.integrations import Route
from services.ingress.patience import Patience
from services.ingress.samples import Samples
from services.ingress.settings import Settings
from services.ingress.signatures import SIGNATURE_ERRORS
from services.ingress.snapshot import Snapshot


class Checked(NamedTuple):
    """A request that has passed all checks. Its decoded body, many times the size of `raw`, does not wait with it."""

    headers: dict[str, str]
    raw: bytes
    dedup_hash: str | None


class Endpoint:
    """Answers every HTTP request that is not for operators; where no integration is, with 404."""

    def __init__(self, snapshot: Snapshot, acceptance: Acceptance, samples: Samples, settings: Settings) -> None:
        self._snapshot = snapshot
        self._acceptance = acceptance
        self._samples = samples
        self._settings = settings
        self._intake = Intake(settings.intake_limit_bytes)
        telemetry.INTAKE_BYTES.set_function(lambda: settings.intake_limit_bytes - self._intake.room)
        self._patience: Patience[Reader] = Patience(settings.body_idle_timeout_s, _cancel)
        self._counters = {status: telemetry.REQUESTS.labels(str(status)) for status in answers.STATUSES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = exchange_of(scope)
        body = Body(receive, self._intake, exchange)
        try:
            answer = await self._answer(scope, body)
        finally:
            body.let_go()
        if answer is None:
            return
        self._counters[answer.status].inc()
        telemetry.REQUEST_SECONDS.observe(time.perf_counter() - started)
        early = not body.finished and checks.has_body(scope["headers"])
        if early or exchange is None or not exchange.answer(answer):
            await _send(answer, body, send, early=early)

    async def _answer(self, scope: Scope, body: Body) -> HttpAnswer | None:
        """Find the integration; None if the sender has gone."""
        integration_id = checks.integration_id(scope["raw_path"])
        route = self._snapshot.find(integration_id)
        if isinstance(route, HttpAnswer):
            return route
        capture = self._snapshot.view.captures.get(route.id)
        if capture is not None and capture.expires_at.timestamp() <= time.time():
            capture = None
        if route.handshake is not None and scope["method"] == "GET":
            answer = route.handshake.answer(scope["query_string"])
            return self._refuse(route, capture, answer, scope, body) if isinstance(answer, Denial) else answer
        if route.is_draft and capture is None:
            route.tally.reject(HTTPStatus.NOT_FOUND, lambda: "The integration is not published")
            return answers.NOT_FOUND
        checked = await self._check(route, scope, body)
        if not isinstance(checked, Checked):
            return self._refuse(route, capture, checked, scope, body)
        if capture is not None:
            return await self._capture(route, capture, checked)
        return await self._accept(route, checked)

    async def _accept(self, route: Route, checked: Checked) -> HttpAnswer:
        event_id = new_event_id()
        answer = await self._acceptance.accept(event_id, route, *checked)
        if answer is route.duplicate:
            route.tally.repeat(event_id, checked.dedup_hash or "", lambda: _inputs_of(route, checked))
        elif answer.status == HTTPStatus.OK:
            route.tally.accept()
        else:
            route.tally.reject(answer.status, lambda: checks.reason_of(answer, (), b""))
        return answer

    async def _capture(self, route: Route, capture: Capture, checked: Checked) -> HttpAnswer:
        """As always, with a copy for the author. A draft only takes the copy."""
        if route.is_draft:
            written = await self._samples.write(capture, checked.headers, checked.raw)
            return answers.ACCEPTED_ELSEWHERE if written else answers.UNAVAILABLE
        self._samples.copy(capture, checked.headers, checked.raw)
        return await self._accept(route, checked)

    async def _check(self, route: Route, scope: Scope, body: Body) -> Checked | Denial | HttpAnswer | None:
        """Check in the order of the answers; None if the sender has gone."""
        headers = self._check_head(route, scope, body)
        if not isinstance(headers, dict):
            return headers
        raw = body.whole(self._settings.body_limit_bytes)
        if raw is None:
            raw = await body.read(self._settings, self._patience)
        if not isinstance(raw, bytes):
            return raw
        if route.authenticator is not None:
            address = scope["client"][0] if scope["client"] else ""
            request = Request(scope["headers"], address, raw, time.time())
            denial = route.authenticator.check(request, self._snapshot.view.keyring)
            if denial is not None:
                return denial
        wait_s = route.bucket.take(time.monotonic()) if route.bucket is not None else 0
        if wait_s:
            return answers.too_many(wait_s)
        return _decode(route, headers, raw)

    def _check_head(self, route: Route, scope: Scope, body: Body) -> dict[str, str] | HttpAnswer:
        size = checks.size_of(scope["headers"])
        if size > checks.HEADERS_LIMIT_BYTES:
            return answers.HEADERS_TOO_LARGE
        if not body.take(checks.cost_of(scope["headers"], size)):
            return answers.UNAVAILABLE
        headers = checks.fold_headers(scope["headers"])
        refusal = checks.refuse_head(scope["method"], headers, self._settings.body_limit_bytes)
        if refusal is answers.METHOD_NOT_ALLOWED and route.handshake is not None:
            return answers.METHOD_NOT_ALLOWED_BY_META
        return headers if refusal is None else refusal

    def _refuse(
        self, route: Route, capture: Capture | None, refused: Denial | HttpAnswer | None, scope: Scope, body: Body
    ) -> HttpAnswer | None:
        """Answer what did not pass, and tell the author of an armed capture why; None if the sender has gone."""
        if refused is None:
            return None

        def reason() -> str:
            return checks.reason_of(refused, scope["headers"], body.received)

        if capture is not None:
            self._samples.refuse(capture, refused.status, reason())
        route.tally.reject(refused.status, reason)
        if not isinstance(refused, Denial):
            return refused
        if refused.status == HTTPStatus.UNAUTHORIZED and refused.error not in SIGNATURE_ERRORS:
            return answers.token_needed(refused.error, time.time_ns())
        return answers.denied(refused.status, refused.error, time.time_ns())


def _decode(route: Route, headers: dict[str, str], raw: bytes) -> Checked | HttpAnswer:
    try:
        body = decode_body(raw)
    except BodyError:
        return answers.malformed(time.time_ns())
    if route.batch is not None and exceed_limit(headers, body):
        return answers.malformed(time.time_ns())
    return Checked(headers, raw, route.hasher(headers, body) if route.hasher else None)


def _inputs_of(route: Route, checked: Checked) -> tuple[Input, ...]:
    return inputs_of(route.hasher, checked.headers, decode_body(checked.raw)) if route.hasher else ()


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
