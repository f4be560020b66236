"""What the ingress's own server can do beside ASGI, in one step each, for requests and answers that are whole.

It is offered as an extension in the scope, so that the application also runs where there is none.
"""

from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from libs.health import Scope
from services.ingress.answers import HttpAnswer

EXTENSION: Final = "inlet.exchange"


class Exchange(Protocol):
    """A connection, for the request that the application has."""

    def take_body(self) -> bytes | None:
        """All of the body, if it is there; then there is nothing left to receive."""
        ...

    def answer(self, answer: HttpAnswer) -> bool:
        """Send an answer as a whole; False, and nothing is sent, where that has to be left to ASGI."""
        ...


def exchange_of(scope: Scope) -> Exchange | None:
    """The exchange that the server offers, if it does."""
    extensions = scope.get("extensions")
    exchange: Exchange | None = extensions.get(EXTENSION) if extensions else None
    return exchange


def wire_of(answer: HttpAnswer, *, closes: bool) -> bytes:
    """An answer as HTTP/1.1; with `closes` it says that the connection ends with it."""
    lines = [b"%b: %b\r\n" % header for header in answer.headers]
    end = b"connection: close\r\n\r\n" if closes else b"\r\n"
    return b"".join([STATUS_LINE[answer.status], *lines, end, answer.body])
