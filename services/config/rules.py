"""Deduplication rules: which parameters can be chosen, and what an author should know about the choice."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from libs import messages
from libs.credentials import is_credential
from libs.parameters import array_index, join, split
from services.config.errors import Fault

PARAMETER_LIMIT: Final = 1000

# Where a part has its one entry, and its one change.
_ENTRIES: Final = ("body", "entry")
_ENTRY: Final = (*_ENTRIES, "0")
_CHANGES: Final = (*_ENTRY, "changes")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")


def deduplication_parameter(path: str) -> str:
    """The parameter that a path names, header names in lower case.

    Raises:
        ValueError: it cannot be chosen; the message completes a sentence that begins with the parameter.
    """
    if len(path) > PARAMETER_LIMIT:
        raise ValueError(f"is longer than {PARAMETER_LIMIT} characters")
    place, *rest = split(path)
    if "*" in rest:
        raise ValueError("must name one value; '*' is for filters only")
    if place == "body" and rest:
        return path
    if place == "headers" and rest:
        return join(("headers", _header(rest)))
    raise ValueError("must begin with 'body.' or 'headers.' and name what is there")


def _header(rest: Sequence[str]) -> str:
    name = rest[0].lower()
    if len(rest) > 1 or not _HEADER_NAME.fullmatch(name):
        raise ValueError("does not name a header")
    if is_credential(name):
        raise ValueError("is a credential; credentials are never kept, so they cannot be compared")
    return name


def uncovered_headers(auth: messages.Auth, rules: messages.Deduplication | None) -> Iterator[Fault]:
    """Chosen headers that the authentication says nothing about: whoever may send, or repeats, can change them."""
    if isinstance(auth, messages.JwtAuth):
        return
    if isinstance(auth, messages.MetaAuth):
        reason = "is a header, and the signature covers the body only: who repeats a request can change it"
    else:
        reason = "is a header that no authentication covers: anyone who knows the URL can change it"
    for index, parameter in enumerate(rules.parameters if rules else ()):
        if parameter.startswith("headers."):
            yield Fault(f"deduplication.parameters[{index}]", reason)


def lost_parts(auth: messages.Auth, rules: messages.Deduplication | None) -> Iterator[Fault]:
    """Parameters that do not tell the parts of a split request apart: each part has one entry with one change."""
    if rules is None or not isinstance(auth, messages.MetaAuth) or not auth.split_batches:
        return
    paths = [split(parameter) for parameter in rules.parameters]
    absent = [_is_beyond_the_first(path, _ENTRIES) or _is_beyond_the_first(path, _CHANGES) for path in paths]
    for index in (index for index, is_absent in enumerate(absent) if is_absent):
        reason = "is in no part of a request: each has one entry with one change, as body.entry.0.changes.0"
        yield Fault(f"deduplication.parameters[{index}]", reason)
    present = [path for path, is_absent in zip(paths, absent, strict=True) if not is_absent]
    if present and not any(path[:3] == _ENTRY for path in present):
        reason = "are the same in all parts of a request: of each request only the first part becomes an event"
        yield Fault("deduplication.parameters", reason)


def idle_policy(auth: messages.Auth, rules: messages.Deduplication | None) -> Iterator[Fault]:
    """A refusal of requests that never comes: the ingress does not deduplicate what is split."""
    is_split = isinstance(auth, messages.MetaAuth) and auth.split_batches
    if is_split and rules is not None and rules.on_redis_down == "reject":
        reason = "has no effect on requests that are split: they are taken, and deduplicated when Redis is back"
        yield Fault("deduplication.onRedisDown", reason)


def _is_beyond_the_first(path: tuple[str, ...], array: tuple[str, ...]) -> bool:
    depth = len(array)
    return path[:depth] == array and len(path) > depth and array_index(path[depth]) > 0
