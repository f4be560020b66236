"""A sender and a server by hand: what an ASGI application receives, and what it sends."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

from libs.health import Receive

Message = MutableMapping[str, Any]

GONE: Message = {"type": "http.disconnect"}


def chunk(body: bytes, *, last: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": not last}


async def body_of(receive: Receive) -> bytes | None:
    """All of a request's body as an application receives it; None if the sender has gone."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        more = message["more_body"]
    return body


class Sender:
    """Delivers `messages` one by one, and after them nothing: then it stalls."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.received = 0
        self._messages = list(messages)

    async def receive(self) -> Message:
        if self.received == len(self._messages):
            await asyncio.Event().wait()
        self.received += 1
        return self._messages[self.received - 1]


class Answered:
    """Collects what is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def complete(self) -> bool:
        return not self.messages[-1].get("more_body", False)
