"""What every answer says to caches and browsers, unless it says otherwise itself."""

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope


async def keep_for_nobody(message: Message, _scope: Scope) -> None:
    """No cache keeps it, because it may have a token in it, and no browser takes it for something else."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Content-Type-Options", "nosniff")
