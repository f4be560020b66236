"""The parts of a request that carries several messages, as the webhooks of Meta do: one for each change."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from libs.deduplication import Hasher, scope_of_parts


class Part(NamedTuple):
    """A part of a request: the same document with one change. `place` says which, and is empty if it is all of it."""

    place: str
    body: dict[str, object]


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


def _listed(document: object, name: str) -> list[Any]:
    """The array of this name in an object; empty if there is none."""
    found = document.get(name) if isinstance(document, Mapping) else None
    return found if isinstance(found, list) else []


@lru_cache(maxsize=1024)
def hasher_of(integration_id: str, parameters: tuple[str, ...]) -> Hasher:
    """The hashes of parts. They differ from all hashes of whole requests, whose records lie elsewhere.

    Raises:
        ValueError: a parameter is no path.
    """
    return Hasher(scope_of_parts(integration_id), parameters)
