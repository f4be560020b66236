"""``ETag`` and ``If-Match``: which state of a thing an answer shows, and which one a change is meant for."""

from typing import Annotated, TypeVar

from litestar import Response
from litestar.params import HeaderParameter

from services.config.revisions import Revised, etag

AnswerT = TypeVar("AnswerT")

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The `ETag` of the state that the change is meant for; 412 if it is no more. Needed (428) to "
        "change what somebody else has changed last; `*` changes it in any case.",
    ),
]


def tagged(answer: AnswerT, shown: Revised, status_code: int = 200) -> Response[AnswerT]:
    """The answer with its ``ETag``."""
    return Response(answer, status_code=status_code, headers={"ETag": etag(shown)})
