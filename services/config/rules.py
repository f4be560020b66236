"""Deduplication rules: which parameters can be chosen, and what an author should know about the choice."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from libs import messages
from libs.credentials import is_credential
from libs.parameters import join, split
from services.config.errors import Fault

PARAMETER_LIMIT: Final = 1000

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
