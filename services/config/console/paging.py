"""What an address, or a form, names by an id: the page of a list, or a thing."""

from uuid import UUID

from services.config.errors import NotFoundError
from services.config.rest.requests import ApiRequest


def cursor_in(request: ApiRequest) -> str | None:
    """The id that the page comes before.

    Raises:
        NotFoundError: it is no id.
    """
    text = request.query_params.get("cursor")
    return id_in(text) if text else None


def id_in(text: str) -> str:
    """The id that a text is.

    Raises:
        NotFoundError: it is none, so there is nothing that has it.
    """
    try:
        return str(UUID(text))
    except ValueError as error:
        raise NotFoundError("There is nothing with this id.") from error
