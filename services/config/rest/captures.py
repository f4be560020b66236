"""Routes: captures, once and as a stream."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from msgspec import Struct
from msgspec.structs import replace

from libs.messages import Sample
from libs.parameters import flatten
from services.config.accounts import Accounts
from services.config.captures import Captures
from services.config.definitions import Capture, CaptureState, Time
from services.config.errors import RequestError, UnavailableError
from services.config.identity import Identity, Permission
from services.config.rest.requests import ApiRequest, check_permissions, needs

WithSample = Annotated[
    bool, QueryParameter(name="withSample", description="Whether the sample comes along, which may be large.")
]

_POLL_S: Final = 0.5
_PING_EVERY: Final = 30
_READING: Final = (Permission.INTEGRATIONS_READ,)

ParameterType = Literal["string", "number", "boolean", "null", "object", "array"]

_TYPES: Final[Mapping[type, ParameterType]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    list: "array",
}


class ParameterAnswer(Struct, frozen=True, kw_only=True):
    """One leaf of a sample. Of objects and arrays only empty ones are leaves."""

    name: str
    type: ParameterType
    value: object


class SampleAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A request as it came; `body` digit for digit."""

    parameters: Sequence[ParameterAnswer]
    body: msgspec.Raw
    headers: Mapping[str, str]
    received_at: str


class RefusedAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A request that was refused while the capture was armed, and why."""

    status: int
    reason: str
    received_at: str


class CaptureAnswer(Struct, frozen=True, kw_only=True, rename="camel"):
    """The last capture of an integration. `sample` is null until one was received."""

    generation: int
    state: CaptureState
    expires_at: Time
    sample: SampleAnswer | None
    refused: Sequence[RefusedAnswer]


def capture_router() -> Router:
    return Router(
        "/integrations/{integration_id:uuid}/capture", route_handlers=[arm, read, cancel, stream], tags=["Captures"]
    )


@post("/", opt=needs(Permission.INTEGRATIONS_WRITE), summary="Arm a capture")
async def arm(
    integration_id: FromPath[UUID], identity: NamedDependency[Identity], captures: NamedDependency[Captures]
) -> CaptureAnswer:
    """For 90 seconds the next request that passes the checks is kept as a sample.

    Of a draft it is nothing else: it becomes no event and uses up no deduplication key. A published integration
    processes it as always, so it can trigger, or be a duplicate; the sample is a copy.
    """
    return _answer(await captures.arm(identity, str(integration_id)), "armed")


@get("/", opt=needs(Permission.INTEGRATIONS_READ), summary="Read the last capture")
async def read(
    integration_id: FromPath[UUID], identity: NamedDependency[Identity], captures: NamedDependency[Captures]
) -> CaptureAnswer:
    """404 if there never was one."""
    return _answer(*await captures.get(identity, str(integration_id)))


@delete("/", opt=needs(Permission.INTEGRATIONS_WRITE), status_code=200, summary="Cancel the capture")
async def cancel(
    integration_id: FromPath[UUID], identity: NamedDependency[Identity], captures: NamedDependency[Captures]
) -> CaptureAnswer:
    """Only an armed one; what was received stays."""
    return _answer(*await captures.cancel(identity, str(integration_id)))


@get("/stream", opt=needs(*_READING), summary="Follow the capture")
async def stream(
    integration_id: FromPath[UUID],
    request: ApiRequest,
    identity: NamedDependency[Identity],
    accounts: NamedDependency[Accounts],
    captures: NamedDependency[Captures],
    stopping: NamedDependency[asyncio.Event],
    with_sample: WithSample = True,  # noqa: FBT002  a query parameter
) -> ServerSentEvent:
    """Server-sent events named `capture`, each with the capture as data, at every change until it is over.

    It ends too when the session or the integration does, and when this replica stops; any other can be asked to go on.
    """
    now = await captures.get(identity, str(integration_id))  # 404 while there can still be one

    async def events() -> AsyncIterator[ServerSentEventMessage]:
        nonlocal now
        seen, quiet = None, 0
        while True:
            capture, state = now
            if (marks := (capture.generation, state, len(capture.refused))) != seen:
                seen, quiet = marks, 0
                shown = capture if with_sample else replace(capture, sample=None)
                data = msgspec.json.encode(_answer(shown, state)).decode()
                yield ServerSentEventMessage(data=data, event="capture")
            elif (quiet := quiet + 1) % _PING_EVERY == 0:
                yield ServerSentEventMessage(comment="still here")
            if state != "armed" or stopping.is_set():
                return
            await asyncio.sleep(_POLL_S)
            try:
                # As with a request: what was withdrawn from the user is not shown any more.
                check_permissions(await accounts.identify(request.auth), _READING)
                now = await captures.get(identity, str(integration_id))
            except UnavailableError:
                continue
            except RequestError:
                return

    return ServerSentEvent(events())


def _answer(capture: Capture, state: CaptureState) -> CaptureAnswer:
    return CaptureAnswer(
        generation=capture.generation,
        state=state,
        expires_at=capture.expires_at,
        sample=None if capture.sample is None else _sample(capture.sample),
        refused=[
            RefusedAnswer(status=one.status, reason=one.reason, received_at=one.received_at) for one in capture.refused
        ],
    )


def _sample(sample: Sample) -> SampleAnswer:
    body: dict[str, object] = msgspec.json.decode(sample.body)
    return SampleAnswer(
        parameters=[
            ParameterAnswer(name=name, type=_TYPES[type(value)], value=value)
            for name, value in flatten(sample.headers, body).items()
        ],
        body=sample.body,
        headers=sample.headers,
        received_at=sample.received_at,
    )
