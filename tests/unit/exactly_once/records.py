"""Records as a topic brings them."""

from msgspec import Struct

from libs import topics
from libs.exactly_once.outcomes import Headers


class MemoryRecord(Struct, frozen=True, kw_only=True):
    """A record of ``inlet.requests`` unless said otherwise."""

    topic: str = topics.REQUESTS
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_769_850_931_000
    key: bytes | None = b"key"
    value: bytes | None = b"{}"
    headers: Headers = ()
