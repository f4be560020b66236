"""The page of a list that an address asks for."""

from uuid import UUID

from services.config.errors import NotFoundError
from services.config.rest.requests import ApiRequest


def cursor_in(request: ApiRequest) -> str | None:
    """The id that the page comes before.

    Raises:
        NotFoundError: it is no id.
    """
    text = request.query_params.get("cursor")
    try:
        return str(UUID(text)) if text else None
    except ValueError as error:
        raise NotFoundError("There is no such page.") from error
