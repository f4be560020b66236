"""The HTTP server's connections, hardened against what their senders can do before there is a request to answer."""

import asyncio
import socket
import sys
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from libs import telemetry
from services.ingress import answers, checks
from services.ingress.answers import HttpAnswer
from services.ingress.crowd import Crowd
from services.ingress.exchange import EXTENSION, wire_of

# From the start of a connection or from the first piece of a head that comes in pieces.
_HEAD_TIMEOUT_S: Final = 10.0
# For a sender to take in what it is answered; then the system ends the connection.
_ANSWER_TIMEOUT_MS: Final = 30_000
# Requests behind one that is not answered yet. Further ones are left unread, and the connection ends.
_QUEUE_LIMIT: Final = 16
# What a request takes in memory beside its bytes and headers while it is queued.
_QUEUED_COST_BYTES: Final = 4 * 1024


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounded connections, heads, queues and trailers, and no protocols to switch to.

    Whole requests are answered before the connection ends, whatever comes behind them: also where the sender has
    ended its side of the connection.
    """

    # What is charged to the crowd: of an unfinished head, and of queued requests.
    _charged = 0
    _queued = 0
    # Bytes that the parser keeps: of pieces that have completed neither a head nor a piece of a body.
    _kept = 0
    _timer: asyncio.TimerHandle | None = None
    _plain_head = b""
    # The request that the application has.
    _running: RequestResponseCycle | None = None
    # Whether nothing more is read, and what is said at the end.
    _is_deaf = False
    _farewell: HttpAnswer | None = None

    def __init__(self, *, crowd: Crowd, **given: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(**given)
        self._crowd = crowd
        self._extensions = {EXTENSION: self}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        telemetry.CONNECTIONS.inc()
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None and sys.platform == "linux":
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _ANSWER_TIMEOUT_MS)
        if not self._crowd.admit(self, len(self.connections)):
            self._end(answers.UNAVAILABLE)
            return
        self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        telemetry.CONNECTIONS.dec()
        self._progress()
        self._queued = 0
        self._charge(0)
        self._crowd.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        self._kept += len(data)
        try:
            self._feed(memoryview(data))
        except (HttpParserError, HttpParserUpgrade):  # not logged: any stranger could fill the log
            if not self._is_deaf:
                self._end(answers.NOT_HTTP)
            return
        if self._kept > checks.HEADERS_LIMIT_BYTES:
            self._end(answers.HEADERS_TOO_LARGE)
        elif (self._kept or self._queued) and not self._has_room():
            self._forget_queue()
            self._end(answers.UNAVAILABLE)
        elif self._timer is None and (self._kept or self._in_hand() is None):
            self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's leaves it to the transport
        """Whether the connection stays, for the answers to whole requests. A part of one can get none."""
        self._end(None)
        return not self.transport.is_closing()

    def shutdown(self) -> None:
        """The server stops: as uvicorn does, except that who has begun a head is told to come again."""
        if self._kept and self._in_hand() is None:
            self._end(answers.UNAVAILABLE)
        else:
            super().shutdown()

    def make_way(self) -> None:
        """See `services.ingress.crowd.Member`."""
        self._crowd.waiting.pop(self, None)
        self._end(answers.UNAVAILABLE if self._kept or self._in_hand() is not None else None)

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._running = self.pipeline[-1][0]  # which is next
        super().on_response_complete()
        if self._queued and not self.pipeline:
            self._queued = 0
            self._charge(0)
        if self._in_hand() is not None or self.transport.is_closing():
            return
        if self._is_deaf:
            self._say_farewell()
        else:
            self._crowd.waiting[self] = None

    def take_body(self) -> bytes | None:
        """See `services.ingress.exchange.Exchange`."""
        running = self._running
        if running is None or running.more_body or running.disconnected:
            return None
        body = bytes(running.body)
        running.body = bytearray()
        running.message_event.clear()
        return body

    def answer(self, answer: HttpAnswer) -> bool:
        """See `services.ingress.exchange.Exchange`. As uvicorn's two sends do, in one."""
        running = self._running
        if running is None or self.flow.write_paused or running.scope["method"] != "POST":
            return False
        if not running.disconnected:
            running.response_started = running.response_complete = True
            self.transport.write(wire_of(answer, closes=not running.keep_alive))
            if not running.keep_alive:
                self.transport.close()
            running.on_response()
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # its values are dicts elsewhere

    def on_headers_complete(self) -> None:
        self._progress()
        if self.parser.should_upgrade():
            lines = [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
            version = self.parser.get_http_version().encode()
            start = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
            self._plain_head = b"".join([start, *lines, b"\r\n"])
            return
        if len(self.pipeline) == _QUEUE_LIMIT:
            self._end(None)
            raise OverflowError("too many requests at once")  # ends the parser
        super().on_headers_complete()
        if self.pipeline:
            self._queued += _QUEUED_COST_BYTES + checks.cost_of(self.headers, checks.size_of(self.headers))
        else:
            self._running = self.cycle
        self.headers = []  # the request has the list: trailers would be added to its headers

    def on_body(self, body: bytes) -> None:
        self._progress()
        super().on_body(body)
        if self.pipeline:
            self._queued += len(body)
        if self.cycle.response_complete:
            self.transport.close()  # nobody receives it, so nobody would end it

    def on_message_complete(self) -> None:
        self._progress()
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._crowd.waiting.pop(self, None)

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
        """Whether what is kept of heads and of queued requests, here at least one, is within its limit."""
        unfinished = checks.cost_of(self.headers or (), self._kept) if self._kept else 0
        return self._charge(unfinished + self._queued)

    def _charge(self, size: int) -> bool:
        more, self._charged = size - self._charged, size
        return self._crowd.charge(more)

    def _forget_queue(self) -> None:
        if self.pipeline and self._running is not None:
            self.pipeline.clear()
            self.cycle = self._running

    def _progress(self) -> None:
        self._kept = 0
        if self._charged > self._queued:
            self._charge(self._queued)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_hand() is not None:
            # The next head has its time once this request is answered.
            self._timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)
        else:
            self._end(answers.HEAD_STALLED if self._kept else None)

    def _end(self, answer: HttpAnswer | None) -> None:
        """Read no more, answer the whole requests, say why, and close."""
        if self._is_deaf or self.transport.is_closing():
            return
        self._is_deaf = True
        if self.pipeline and self.cycle.more_body:
            self.pipeline.popleft()  # it will never be whole
            self.cycle = self.pipeline[0][0] if self.pipeline else cast("RequestResponseCycle", self._running)
        last = self._in_hand()
        if last is None or (last.more_body and not last.response_started):
            self._farewell = answer
            self._say_farewell()
        elif last.more_body:
            self.transport.close()
        else:
            self._farewell = answer
            last.keep_alive = last.keep_alive and answer is not None  # if it is the last word it says so

    def _say_farewell(self) -> None:
        if self._farewell is not None:
            answer, self._farewell = self._farewell, None
            self.transport.write(wire_of(answer, closes=True))
            telemetry.REQUESTS.labels(str(answer.status)).inc()
        self.transport.close()

    def _in_hand(self) -> RequestResponseCycle | None:
        """The last request, while it is not answered."""
        last = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's type leaves out the start
        return None if last is None or last.response_complete else last
