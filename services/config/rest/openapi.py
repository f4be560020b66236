"""The description of the API at ``/schema``, as JSON only: no page that loads scripts from elsewhere.

The framework knows paths and parameters. The rest follows from what a route is: its bodies from the structs that are
decoded and encoded, with examples of them; its error answers, and its security from what it needs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.response import ServerSentEvent
from litestar.routes import BaseRoute, HTTPRoute

from libs import messages
from services.config.rest.errors import ErrorAnswer
from services.config.rest.examples import DEAD_LETTER_ID, EXAMPLES, ID, STREAM
from services.config.rest.failures import descriptions, failures, reference
from services.config.rest.preconditions import Tagged
from services.config.rest.requests import SESSION_COOKIE, SIGNED_IN, TOKEN, permissions_of
from services.config.texts import camel_case

Json = dict[str, Any]

_REFERENCES: Final = "#/components/schemas/{name}"
_FIELD: Final = re.compile(r"`[a-z]+(?:_[a-z]+)+`")
_SESSION: Final[Sequence[Json]] = ({"session": []}, {"sessionCookie": []})
_SCHEMES: Final[Json] = {
    "session": {"type": "http", "scheme": "bearer", "description": "The token of `POST /api/v1/session`."},
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The same token, as the login sets it for browsers.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of `POST /uauth/v2/auth/login/profile`, as senders have it.",
    },
}
_ETAG: Final = {
    "description": "The state that is shown, for `If-Match`.",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
}


class Operation(NamedTuple):
    """A route with one of its methods, and how the framework describes it."""

    route: HTTPRouteHandler
    method: str
    description: Json

    @property
    def body(self) -> Any:  # noqa: ANN401 a type
        """What it takes, or None."""
        field = self.route.parsed_data_field
        return None if field is None else field.annotation

    @property
    def answer(self) -> Any:  # noqa: ANN401 a type
        """What it answers, or None."""
        field = self.route.parsed_return_field
        if field.is_subclass_of(Response) and field.inner_types:
            field = field.inner_types[0]
        return None if field.annotation in {None, type(None)} else field.annotation


class _Renderer(JsonRenderPlugin):
    _rendered = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        self._rendered = self._rendered or msgspec.json.encode(_completed(openapi_schema, request.app.routes))
        return self._rendered


def openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Inlet control plane",
        version="1",
        description="Everything an author or an administrator can do. `docs/api.md` walks through it.",
        use_handler_docstrings=True,
        render_plugins=[_Renderer()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, after_request=_no_page),
    )


async def _no_page(response: Response[Any]) -> Response[Any]:
    """The framework adds an HTML page for what is not found beside the description; ours is the usual answer."""
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response


def _completed(document: Json, routes: Sequence[BaseRoute]) -> Json:
    operations = list(_operations(document, routes))
    used = {ErrorAnswer, *(one for operation in operations for one in (operation.body, operation.answer))}
    structs = sorted(used - {None, ServerSentEvent}, key=lambda struct: struct.__name__)
    schemas = _schemas(structs)
    for schema in schemas.values():
        schema["description"] = _for_readers(schema.get("description", ""))
    for operation in operations:
        operation.description.update(_description(operation))
    document["components"] = {"schemas": schemas, "responses": descriptions(), "securitySchemes": _SCHEMES}
    return document


def _schemas(structs: Sequence[type[msgspec.Struct]]) -> dict[str, Json]:
    """The schemas by short names: of two structs of one name, the one that is only answered is an answer."""
    _, schemas = msgspec.json.schema_components(structs, schema_hook=_anything, ref_template=_REFERENCES)
    text = msgspec.json.encode(schemas).decode()
    for name in schemas:
        module, _, short = name.rpartition(".")
        if module:
            short += "Answer" if module == messages.__name__ else ""
            old, new = _REFERENCES.format(name=name), _REFERENCES.format(name=short)
            text = text.replace(f'"{old}"', f'"{new}"').replace(f'"{name}":', f'"{short}":')
    renamed: dict[str, Json] = msgspec.json.decode(text)
    return renamed


def _operations(document: Json, routes: Sequence[BaseRoute]) -> Iterator[Operation]:
    for route in routes:
        described = document["paths"].get(route.path_format) if isinstance(route, HTTPRoute) else None
        if isinstance(route, HTTPRoute) and described is not None:
            for method, (handler, _) in route.route_handler_map.items():
                if method.lower() in described:
                    yield Operation(handler, method, described[method.lower()])


def _description(operation: Operation) -> Json:
    route, described = operation.route, operation.description
    parameters = [_parameter(one) for one in described.get("parameters", [])]
    statuses = failures(route, {one["name"]: one["in"] for one in parameters})
    permissions = permissions_of(route.opt)
    needed = f"\n\nNeeds {' and '.join(f'`{one}`' for one in permissions)}." if permissions else ""
    body = {"requestBody": {"required": True, "content": _json(operation.body)}} if operation.body else {}
    return {
        **body,
        "description": described["description"] + needed,
        "parameters": parameters,
        "security": _security(route.opt["needs"]),
        "x-permissions": permissions,
        "responses": {
            str(route.status_code): _success(operation),
            **{str(status.value): reference(status) for status in statuses},
        },
    }


def _security(needs: object) -> Sequence[Json]:
    if needs == TOKEN["needs"]:
        return [{"token": []}]
    return _SESSION if isinstance(needs, tuple) or needs == SIGNED_IN["needs"] else []


def _success(operation: Operation) -> Json:
    status = HTTPStatus(operation.route.status_code)
    headers = dict(operation.description["responses"][str(status.value)].get("headers", {}))
    if operation.route.parsed_return_field.is_subclass_of(Tagged):
        headers["ETag"] = _ETAG
    described = {"description": status.phrase, "headers": headers}
    if operation.answer is None:
        return described
    if operation.answer is ServerSentEvent:
        return {**described, "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM}}}
    return {**described, "content": _json(operation.answer)}


def _json(struct: type[msgspec.Struct]) -> Json:
    example = msgspec.json.decode(msgspec.json.encode(EXAMPLES[struct]))
    schema = {"$ref": _REFERENCES.format(name=struct.__name__)}
    return {"application/json": {"schema": schema, "example": example}}


def _parameter(described: Mapping[str, Any]) -> Json:
    example = DEAD_LETTER_ID if described["name"] == "dead_letter_id" else ID
    return {**described, "example": example} if described["in"] == "path" else dict(described)


def _for_readers(docstring: str) -> str:
    """With the names that fields have in JSON."""
    return _FIELD.sub(lambda found: camel_case(found[0]), cleandoc(docstring))


def _anything(_kind: type) -> Json:
    return {"description": "Any JSON value."}
