"""``limit`` and ``cursor``: the query parameters and the answer of every list."""

from typing import Annotated, Final
from uuid import UUID

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items at most.")]
Cursor = Annotated[UUID | None, QueryParameter(description="The `nextCursor` of the page before.")]

DEFAULT_LIMIT: Final = 50


def before(cursor: UUID | None) -> str | None:
    """The id that the page comes before."""
    return None if cursor is None else str(cursor)
