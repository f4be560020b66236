"""A JSON client for the services of the local stack, on the standard library, around any proxy."""

import asyncio
import http.client
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

T = TypeVar("T")
_TIMEOUT_S: Final = 10


class RestError(Exception):
    """A service did not answer, or not as expected; `status` is 0 if it did not."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """Calls one service. `token`, once set, goes with every call."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self.token = ""

    async def get(self, path: str, kind: type[T]) -> T:
        """The answer to a GET, decoded.

        Raises:
            RestError: no answer, or not 2xx, or not a `kind`.
        """
        return await self._call("GET", path, None, kind)

    async def post(self, path: str, body: object, kind: type[T]) -> T:
        """The answer to a POST of `body` as JSON, decoded.

        Raises:
            RestError: no answer, or not 2xx, or not a `kind`.
        """
        return await self._call("POST", path, msgspec.json.encode(body), kind)

    async def _call(self, method: str, path: str, body: bytes | None, kind: type[T]) -> T:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            status, answer = await asyncio.to_thread(request, self._address, method, path, body, headers)
            if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                said = answer[:300].decode(errors="replace")
                raise RestError(f"{method} {path} answered {status}: {said}", status)
            return msgspec.json.decode(answer, type=kind)
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            raise RestError(f"{method} {path}: {error}") from error


async def is_ready(address: str) -> bool:
    """Whether the service at ``host:port`` says that it is ready."""
    try:
        status, _ = await asyncio.to_thread(request, address, "GET", "/readyz")
    except (OSError, http.client.HTTPException):
        return False
    return status == HTTPStatus.OK


def request(
    address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """One HTTP exchange: the status and the body.

    Raises:
        OSError: no connection.
        HTTPException: not HTTP.
    """
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
