"""Lists in pages: the newest first, each page telling where the next one begins."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct


class Row(Protocol):
    """Anything in a list; ids grow with time."""

    @property
    def id(self) -> str: ...


RowT = TypeVar("RowT", bound=Row)


class Page(Struct, Generic[RowT], frozen=True, kw_only=True):
    """`next_cursor` is the id that the next page comes before; None on the last page."""

    items: Sequence[RowT]
    next_cursor: str | None


def page_of(rows: Sequence[RowT], limit: int) -> Page[RowT]:
    """The page made of `rows`, which hold one more than `limit` if another page follows."""
    items = rows[:limit]
    return Page(items=items, next_cursor=items[-1].id if len(rows) > limit else None)
