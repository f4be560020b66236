"""The HTTP server's connections, hardened against what their senders can do before there is a request to answer."""

import asyncio
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from libs import telemetry
from services.ingress import answers, checks
from services.ingress.answers import HttpAnswer

# From the start of a connection or from the first piece of a head that comes in pieces.
_HEAD_TIMEOUT_S: Final = 10.0
_HEADS_LIMIT_BYTES: Final = 64 * 1024 * 1024


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounded connections, heads and trailers, and without protocols to switch to.

    A sender may end its side of the connection once its requests are whole: they are answered.
    """

    # What unfinished heads of all connections take, and this one's.
    _heads = 0
    _charged = 0
    # Bytes that the parser keeps: of pieces that have completed neither a head nor a piece of a body.
    _kept = 0
    _timer: asyncio.TimerHandle | None = None
    _plain_head = b""
    _is_ended = False

    def __init__(self, *, connections_limit: int, **given: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(**given)
        self._connections_limit = connections_limit

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        if len(self.connections) > self._connections_limit:
            self._refuse(answers.UNAVAILABLE)
            return
        self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._progress()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._kept += len(data)
        try:
            self._feed(memoryview(data))
        except (HttpParserError, HttpParserUpgrade):  # not logged: any stranger could fill the log
            self._refuse(answers.NOT_HTTP)
            return
        if self._kept > checks.HEADERS_LIMIT_BYTES:
            self._refuse(answers.HEADERS_TOO_LARGE)
        elif self._kept and not self._has_room():
            self._refuse(answers.UNAVAILABLE)
        elif self._timer is None and (self._kept or self._in_hand() is None):
            self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's leaves it to the transport
        """Whether the connection stays, for the answers to whole requests. A part of one can get none."""
        self._is_ended = self._in_hand() is not None and not self.cycle.more_body and not self._kept
        return self._is_ended

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_ended and self._in_hand() is None:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._progress()
        if self.parser.should_upgrade():
            lines = [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
            version = self.parser.get_http_version().encode()
            start = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
            self._plain_head = b"".join([start, *lines, b"\r\n"])
            return
        super().on_headers_complete()
        self.headers = []  # the request has the list: trailers would be added to its headers

    def on_body(self, body: bytes) -> None:
        self._progress()
        super().on_body(body)
        if self.cycle.response_complete:
            self.transport.close()  # nobody receives it, so nobody would end it

    def on_message_complete(self) -> None:
        self._progress()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _feed(self, data: memoryview) -> None:
        """Parse, ignoring every offer to switch to another protocol, as a server may (RFC 9110, section 7.8).

        httptools takes what follows an offer for the other protocol's, even the request's body. So another parser
        reads the head without the offer, and goes on from there.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
                self.parser.feed_data(self._plain_head)
            else:
                return

    def _has_room(self) -> bool:
        """Whether what is kept of heads is within its limit; here something is kept."""
        self._charge(self._kept + checks.HEADER_COST_BYTES * len(self.headers or ()))
        return BoundedHttpProtocol._heads <= _HEADS_LIMIT_BYTES

    def _charge(self, size: int) -> None:
        BoundedHttpProtocol._heads += size - self._charged
        self._charged = size

    def _progress(self) -> None:
        self._kept = 0
        if self._charged:
            self._charge(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_hand() is not None:
            # The next head has its time once this request is answered.
            self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)
        elif self._kept:
            self._refuse(answers.HEAD_STALLED)
        else:
            self.transport.close()

    def _refuse(self, answer: HttpAnswer) -> None:
        """Answer what is no request, and close. An answer that another request waits for is not given instead."""
        if self.transport.is_closing():
            return
        cycle = self._in_hand()
        if cycle is None or (cycle.more_body and not cycle.response_started and not self.pipeline):
            headers = [b"%s: %s\r\n" % header for header in (*answer.headers, (b"connection", b"close"))]
            self.transport.write(b"".join([STATUS_LINE[answer.status], *headers, b"\r\n", answer.body]))
            telemetry.REQUESTS.labels(str(answer.status)).inc()
        self.transport.close()

    def _in_hand(self) -> RequestResponseCycle | None:
        """The last request, while it is not answered."""
        last = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's type leaves out the start
        return None if last is None or last.response_complete else last
