"""What it takes to let a request in: what authentication looks at, and how it refuses."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from libs.networks import Network

RawHeaders = Iterable[tuple[bytes, bytes]]


class Denial(NamedTuple):
    """Why a request is not let in: `error` is for its sender, `reason` for the owner of the integration."""

    status: int
    error: str
    reason: str


class Request(NamedTuple):
    """What authentication looks at. `raw` are the bytes of the body, `now_s` Unix time."""

    headers: RawHeaders
    address: str
    raw: bytes
    now_s: float


class VerifyingKey(NamedTuple):
    """The public side of a signing key of a workspace."""

    workspace: str
    public: RSAPublicKey


class KnownApiKey(NamedTuple):
    """An API key that is not revoked. No networks is anywhere."""

    workspace: str
    may_execute: bool
    expires_at_s: float
    networks: tuple[Network, ...]


class Keyring(NamedTuple):
    """The keys of one snapshot, by id."""

    signing: Mapping[str, VerifyingKey]
    api: Mapping[str, KnownApiKey]


class Authenticator(Protocol):
    """One integration's way of letting requests in."""

    def check(self, request: Request, keyring: Keyring) -> Denial | None:
        """Why the request is refused; None lets it in."""
        ...
