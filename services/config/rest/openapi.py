"""The description of the API at ``/schema``, as JSON only: no page that loads scripts from elsewhere."""

from typing import Any

from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin


def openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Inlet control plane",
        version="1",
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, after_request=_no_page),
    )


async def _no_page(response: Response[Any]) -> Response[Any]:
    """The framework adds an HTML page for what is not found beside the description; ours is the usual answer."""
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
