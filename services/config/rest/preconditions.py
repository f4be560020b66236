"""``ETag`` and ``If-Match``: which state of a thing an answer shows, and which one a change is meant for."""

from typing import Annotated, Final, TypeVar

from litestar import Response
from litestar.params import HeaderParameter

from services.config.revisions import Revised, etag

AnswerT = TypeVar("AnswerT")

IF_MATCH: Final = "If-Match"
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name=IF_MATCH,
        description="The `ETag` of the state that the change is meant for; 412 if it is no more. Needed (428) to "
        "change what somebody else has changed last; `*` changes it in any case.",
    ),
]


class Tagged(Response[AnswerT]):
    """An answer with the ``ETag`` of what it shows."""

    def __init__(self, answer: AnswerT, shown: Revised, status_code: int = 200) -> None:
        super().__init__(answer, status_code=status_code, headers={"ETag": etag(shown)})
