"""Optimistic concurrency: two authors never overwrite each other without noticing.

A change says which revision it was made from (``If-Match``, RFC 9110, section 13.1.1). One that does not say is taken
as long as nobody else has changed the thing in between; then it is refused instead of guessed.
"""

import re
from typing import Final, Protocol

from services.config.errors import Fault, InvalidError, OutdatedError, UnseenError
from services.config.identity import Identity

_ETAG: Final = re.compile(r'\s*(?:W/)?"(\d{1,18})"\s*')


class Revised(Protocol):
    """Something with revisions."""

    @property
    def revision(self) -> int: ...
    @property
    def changed_by(self) -> str | None: ...


Expected = frozenset[int] | None
"""The revisions that a change is meant for; empty for any, None if it does not say."""

ANY: Final[Expected] = frozenset()


def etag(revised: Revised) -> str:
    return f'"{revised.revision}"'


def expected(if_match: str | None) -> Expected:
    """Read the header.

    Raises:
        InvalidError: it has neither ``*`` nor entity tags as they come in answers.
    """
    if if_match is None:
        return None
    if if_match.strip() == "*":
        return ANY
    tags = [_ETAG.fullmatch(tag) for tag in if_match.split(",")]
    revisions = frozenset(int(tag[1]) for tag in tags if tag)
    if len(revisions) == 0 or None in tags:
        raise InvalidError([Fault("If-Match", "must be the ETag of an answer, or *")])
    return revisions


def check(current: Revised, wanted: Expected) -> None:
    """Let pass what is about the current state, or does not say.

    Raises:
        OutdatedError: it is about another.
    """
    if wanted and current.revision not in wanted:
        raise OutdatedError("It has been changed in the meantime. Read it again, and repeat your change.")


def check_overwrite(current: Revised, wanted: Expected, by: Identity) -> None:
    """As `check`; and what does not say passes only if the last change was the same user's.

    Raises:
        OutdatedError: it is about another state.
        UnseenError: somebody else's change would be overwritten.
    """
    check(current, wanted)
    if wanted is None and current.changed_by not in {None, by.user_id}:
        raise UnseenError(
            "Somebody else has changed it last. Read it, and repeat your change with its ETag as If-Match, or with *."
        )
