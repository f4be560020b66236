"""What makes two requests the same: the deduplication hash, and the answers of the protocol that uses it.

The protocol is *publish, then claim, with an owner position*; its steps are in `libs.claims` and its exhaustive
check is among the tests.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from libs.parameters import ABSENT, find, join, split

PARAMETERS_LIMIT = 5
DIGEST_BYTES = 16

# Empty objects and arrays are leaves; `find` answers no others.
_CONSTANTS = {type(None): b"n", dict: b"o", list: b"l", type(ABSENT): b"a"}


def scope_of_parts(integration_id: str) -> str:
    """What parts of requests are hashed with instead of the id: their records lie elsewhere than whole requests'."""
    return f"{integration_id}/changes"


class Hasher:
    """The deduplication hash of one integration's requests: BLAKE2b-128, as 32 lower-case hex digits.

    The encoding is length-prefixed and type-tagged, so no two different inputs collide by construction: the
    integration id, then (name, value or absent) for each parameter in the order of the names. Numbers of equal
    value are equal whatever their notation (``1``, ``1.0``), a string is never a number.
    """

    def __init__(self, integration_id: str, parameters: Sequence[str]) -> None:
        """Prepare for `parameters`, paths as `libs.parameters.split` reads them (ValueError otherwise)."""
        self._prefix = _sized(integration_id.encode())
        self._parameters = [(_sized(name.encode()), split(name)) for name in sorted(set(parameters))]

    def __call__(self, headers: Mapping[str, str], body: Mapping[str, object]) -> str | None:
        """Hash one request; None where every parameter is absent, since a hash of nothing identifies nothing."""
        parts = [self._prefix]
        absent = True
        for name, segments in self._parameters:
            value = find(segments, headers, body)
            absent = absent and value is ABSENT
            parts += (name, _encode(value))
        return None if absent else blake2b(b"".join(parts), digest_size=DIGEST_BYTES).hexdigest()

    def values(self, headers: Mapping[str, str], body: Mapping[str, object]) -> list[tuple[str, object]]:
        """What of one request is hashed: each parameter with its value or `ABSENT`, in the order of the names."""
        return [(join(segments), find(segments, headers, body)) for _, segments in self._parameters]


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _encode(value: object) -> bytes:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    match value:
        case str():
            return b"s" + _sized(value.encode())
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"i" + _sized(b"%d" % value)
        case float():
            return b"d" + _sized(repr(value).encode())
        case _:
            return _CONSTANTS[type(value)]
