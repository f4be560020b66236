"""The integrations that are sent to, one of each kind, and what requests to them look like."""

import hmac
import json
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tests.chaos.history import Kind
from tests.e2e.author import EVERYTHING, Author, Made

_SECRET = "chaos-app-secret"
_NUMBER = "body.injection"
_FILLER = "x" * 200


class Sent(Struct, frozen=True):
    """What an event's body says of the request that it was made of."""

    attempt: str
    group: str
    injection: int


class _Value(Struct):
    group: str


class _Change(Struct):
    value: _Value


class _Entry(Struct):
    changes: list[_Change]


class _Body(Struct):
    """Every kind of body; what is split has its groups in the entries."""

    attempt: str = ""
    injection: int = -1
    group: str = ""
    entry: list[_Entry] = []


class Endpoint(Struct, frozen=True, kw_only=True):
    """A published integration."""

    id: str
    kind: Kind
    path: str

    def body(self, attempt: str, groups: tuple[str, ...], injection: int) -> bytes:
        body: dict[str, object] = {"attempt": attempt, "injection": injection, "filler": _FILLER}
        if self.kind is Kind.PARTS:
            changes = [{"field": "messages", "value": {"group": group}} for group in groups]
            body |= {"object": "page", "entry": [{"id": "1", "changes": changes}]}
        else:
            body["group"] = groups[0]
        return json.dumps(body).encode()

    def headers(self, body: bytes) -> str:
        if self.kind is not Kind.PARTS:
            return ""
        return f"X-Hub-Signature-256: sha256={hmac.digest(_SECRET.encode(), body, 'sha256').hex()}\r\n"


def read_body(body: bytes) -> Sent:
    """What `Endpoint.body` has put there; of a part, its group. Other bodies say nothing."""
    read = msgspec.json.decode(body, type=_Body)
    group = read.entry[0].changes[0].value.group if read.entry else read.group
    return Sent(read.attempt, group, read.injection)


async def make_endpoint(author: Author, kind: Kind, name: str) -> Endpoint:
    """An integration with a Business Event that everything matches."""
    wanted: dict[str, object] = {"name": name, "auth": {"kind": "none"}}
    if kind is Kind.PARTS:
        wanted["auth"] = {"kind": "meta", "appSecret": _SECRET, "verifyToken": "v", "splitBatches": True}
        wanted["deduplication"] = {"parameters": ["body.entry.0.changes.0.value.group"]}
    elif kind is not Kind.PLAIN:
        on_redis_down = "accept" if kind is Kind.ACCEPT else "reject"
        wanted["deduplication"] = {"parameters": ["body.group"], "onRedisDown": on_redis_down}
    integration = await author.post("/integrations", wanted)
    await author.make_business_event(integration, EVERYTHING)
    published = await author.post(f"/integrations/{integration.id}/publish")
    return Endpoint(id=published.id, kind=kind, path=urlsplit(published.url).path)


async def make_business_event_of(author: Author, endpoint: Endpoint, injection: int) -> str:
    """The id of a new Business Event that matches what is sent during this injection."""
    where: dict[str, object] = {"param": _NUMBER, "type": "number", "operator": "EQUAL", "value": injection}
    integration = Made(id=endpoint.id, version=1, state="published")
    return (await author.make_business_event(integration, where)).id


def injection_of(where: dict[str, object]) -> int | None:
    """The injection that a Business Event of `make_business_event_of` matches; None of one that matches all."""
    value = where.get("value")
    return value if isinstance(value, int) else None
