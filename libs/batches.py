"""The parts of a request that carries several messages, as the webhooks of Meta do: one for each change.

The normalizer makes an event of each part. The ingress only looks whether there would be too much of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from libs.parameters import flatten

# The events of all parts of one request are one transaction, which has to be written in time on a slow machine too.
PARTS_LIMIT_BYTES: Final = 32 * 1024 * 1024

_JSON: Final = msgspec.json.Encoder()


class Part(NamedTuple):
    """A part of a request: the same document with one change. `place` says which, and is empty if it is all of it."""

    place: str
    body: dict[str, object]

    @property
    def path(self) -> str:
        """Where in the request its change is: ``body.entry.0.changes.1``."""
        steps = zip(("entry", "changes"), self.place.split("."), strict=False) if self.place else ()
        return ".".join(["body", *(name for step in steps for name in step)])


def parts_of(body: Mapping[str, object]) -> Iterator[Part]:
    """Split a document into its ``entry[].changes[]``, in order.

    What has no such list stays whole, the entry or the document, so that nothing is left out.
    """
    entries = _listed(body, "entry")
    if not entries:
        yield Part("", dict(body))
        return
    for i, entry in enumerate(entries):
        changes = _listed(entry, "changes")
        if not changes:
            yield Part(f"{i}", {**body, "entry": [entry]})
            continue
        for j, change in enumerate(changes):
            yield Part(f"{i}.{j}", {**body, "entry": [{**entry, "changes": [change]}]})


def count_parts(body: Mapping[str, object]) -> int:
    """How many `parts_of` gives, without making them."""
    return max(1, sum(max(1, len(_listed(entry, "changes"))) for entry in _listed(body, "entry")))


def exceed_limit(headers: Mapping[str, str], body: Mapping[str, object], limit_bytes: int = PARTS_LIMIT_BYTES) -> bool:
    """Whether what parts repeat is enough to tell that their events have more than `limit_bytes` together.

    That is the headers and the document without its entries in every part, and an entry without its changes in each
    of its own. No part is made. The names of an event's fields outweigh what is counted here and not in an event.
    """
    count = count_parts(body)
    if count == 1:
        return False
    least = count * _size(headers, {**body, "entry": []})
    for entry in _listed(body, "entry"):
        changes = len(_listed(entry, "changes"))
        if least > limit_bytes:
            break
        if changes > 1:
            least += changes * _size({}, {"entry": [{**entry, "changes": []}]})
    return least > limit_bytes


def _size(headers: Mapping[str, str], body: Mapping[str, object]) -> int:
    """The bytes of a document in an event, which has it as it is and flattened."""
    return sum(len(_JSON.encode(one)) for one in (headers, body, flatten(headers, body)))


def _listed(document: object, name: str) -> list[Any]:
    """The array of this name in an object; empty if there is none."""
    found = document.get(name) if isinstance(document, Mapping) else None
    return found if isinstance(found, list) else []
