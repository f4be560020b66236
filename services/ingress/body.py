"""A request's body on its way in: read within limits, or let run out behind an answer that did not wait for it."""

import asyncio
import time
from contextlib import suppress
from typing import Final, cast

from libs.health import Receive
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.exchange import Exchange
from services.ingress.patience import Patience
from services.ingress.settings import Settings

_LINGER_S: Final = 5.0
_LINGER_BYTES: Final = 16 * 1024 * 1024

Reader = asyncio.Task[object]


class Intake:
    """Room, in bytes, for the heads and bodies of all requests that are not answered.

    Where there is not enough, the bodies that have been coming for the longest time are given up: whoever is slow, or
    has stopped, keeps nobody out who sends at once.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.coming: dict[Body, tuple[Reader, Patience[Reader]]] = {}

    def make_room(self, size: int, body: "Body") -> bool:
        """Whether there is room for so much of a body, if need be that of others."""
        while size > self.room and self.coming:
            longest = next(iter(self.coming))
            if longest is body:
                return False
            longest.give_up()
        return size <= self.room


class Body:
    """One request's body. `finished` is true once its last byte has been received, `received` then is all of it.

    What it has taken of the room it gives back by `let_go`.
    """

    def __init__(self, receive: Receive, intake: Intake, exchange: Exchange | None = None) -> None:
        self.finished = False
        self.received = b""
        self._receive = receive
        self._intake = intake
        self._exchange = exchange
        self._taken = 0
        self._is_given_up = False

    def take(self, size: int) -> bool:
        """Take room for so many bytes; False if there is not as much."""
        if size > self._intake.room and not self._intake.make_room(size, self):
            return False
        self._intake.room -= size
        self._taken += size
        return True

    def let_go(self) -> None:
        """Give back all room."""
        self._intake.room += self._taken
        self._taken = 0

    def give_up(self) -> None:
        """Leave the room to others; for one that is being read, which then ends with `answers.UNAVAILABLE`."""
        reader, patience = self._intake.coming.pop(self)
        self.let_go()
        self._is_given_up = True
        patience.lose(reader)

    def whole(self, limit_bytes: int) -> bytes | HttpAnswer | None:
        """All of it, or the answer that refuses it, if the server has it already; else None."""
        raw = self._exchange.take_body() if self._exchange is not None else None
        if raw is None:
            return None
        self.finished = True
        if len(raw) > limit_bytes:
            return answers.TOO_LARGE
        self.received = raw
        return raw if self.take(len(raw)) else answers.UNAVAILABLE

    async def read(self, limits: Settings, patience: Patience[Reader]) -> bytes | HttpAnswer | None:
        """Read it; else the answer that refuses it, or None if the sender has gone.

        `patience` limits the time between two pieces; it has to cancel the reader.
        """
        deadline = time.monotonic() + limits.body_timeout_s
        reader = cast("Reader", asyncio.current_task())
        received = bytearray()  # one buffer: a list of tiny chunks would cost many times their size
        self._intake.coming[self] = reader, patience
        try:
            while time.monotonic() < deadline:
                chunk = await self._next_in_time(reader, patience)
                if not isinstance(chunk, bytes):
                    return chunk
                if len(received) + len(chunk) > limits.body_limit_bytes:
                    return answers.TOO_LARGE
                if self.finished:
                    self._intake.coming.pop(self)  # it need not make room for others any more
                if not self.take(len(chunk)):
                    return answers.UNAVAILABLE
                if self.finished:
                    self.received = bytes(received) + chunk if received else chunk
                    return self.received
                received += chunk
        finally:
            self._intake.coming.pop(self, None)
        return answers.STALLED

    async def drain(self) -> None:
        """Receive and forget the rest, for a bounded time.

        Closing a connection on which bytes are unread resets it, and a sender that is still sending would lose the
        answer (RFC 9112, section 9.6).
        """
        left = _LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while left > 0 and not self.finished and (chunk := await self._next()) is not None:
                    left -= len(chunk)

    async def _next_in_time(self, reader: Reader, patience: Patience[Reader]) -> bytes | HttpAnswer | None:
        patience.begin(reader)
        try:
            chunk = await self._next()
        except asyncio.CancelledError:
            if patience.end(reader) or reader.uncancel():
                raise  # not, or not only, because the patience is over
            return answers.UNAVAILABLE if self._is_given_up else answers.STALLED
        patience.end(reader)
        return chunk

    async def _next(self) -> bytes | None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            return None
        self.finished = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk
