"""Tokens for senders: made from an API key, renewed, and the public keys that verify them."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import RSAAlgorithm
from msgspec import Struct

from libs.networks import is_within, network_of
from libs.sealing import Sealer
from libs.tokens import ALGORITHM, ISSUER, TokenClaims
from services.config.api_keys import sha256_of
from services.config.attempts import Attempts
from services.config.definitions import ApiKey, Clock, SigningKey
from services.config.errors import UnauthenticatedError
from services.config.sealed import private_key_place
from services.config.signing_keys import signing
from services.config.store.database import Database
from services.config.store.keys import find_api_key, find_signing_key, public_keys
from services.config.store.scope import Workspaces

_KEPT_KEYS: Final = 100
_REFUSAL: Final = "The API key is not valid."
_NOT_RENEWED: Final = "The token is not valid, or its API key is not any more. Log in again."


class Jwk(Struct, frozen=True, kw_only=True):
    """A public RSA key (RFC 7517, RFC 7518 section 6.3)."""

    kty: str
    use: str
    alg: str
    kid: str
    n: str
    e: str


class Tokens:
    """Makes tokens. Attempts are limited per key and, those that fail, per address, in each process for itself."""

    def __init__(
        self,
        database: Database,
        workspaces: Workspaces,
        sealer: Sealer,
        *,
        tokens_live: timedelta,
        now: Clock,
    ) -> None:
        self._database = database
        self._workspaces = workspaces
        self._sealer = sealer
        self._tokens_live = tokens_live
        self._now = now
        self._attempts = Attempts(per_second=1, burst=30, counts_successes=True)
        self._private_keys: dict[str, RSAPrivateKey] = {}

    async def log_in(self, secret: str, address: str) -> str:
        """A token made from the API key with this secret.

        Raises:
            UnauthenticatedError: no key, one that is revoked or expired, or not from this address; not said which.
            ThrottledError: too often.
        """
        secret_sha256 = sha256_of(secret)
        with self._attempts.at(secret_sha256, address):
            async with self._database.reading() as connection:
                found = await find_api_key(connection, secret_sha256)
            return await self._token_from(found, address, _REFUSAL)

    async def refresh(self, token: str, address: str) -> str:
        """A token that is as new, from one that is still valid.

        Raises:
            UnauthenticatedError: it is not, or its API key is not any more.
            ThrottledError: too often.
        """
        found = await self._key_of(token)
        # Each refresh makes another token, but they are all of one key.
        with self._attempts.at(sha256_of(token) if found is None else found[1].id, address):
            return await self._token_from(found, address, _NOT_RENEWED)

    async def jwks(self) -> list[Jwk]:
        """The public keys of all tokens that may be valid."""
        async with self._database.reading() as connection:
            return [_jwk(key_id, pem) for key_id, pem in await public_keys(connection)]

    async def _key_of(self, token: str) -> tuple[str, ApiKey] | None:
        """The API key that a valid token was made from, and the id of its workspace."""
        claims = await self._verified(token)
        if claims is None:
            return None
        workspace_id, key_id = claims
        async with self._workspaces.reading(workspace_id) as scope:
            key = await scope.api_keys.get(key_id)
        return None if key is None else (workspace_id, key)

    async def _token_from(self, found: tuple[str, ApiKey] | None, address: str, refusal: str) -> str:
        if found is None or not _is_usable(found[1], self._now(), address):
            raise UnauthenticatedError(refusal)
        workspace_id, api_key = found
        async with self._workspaces.reading(workspace_id) as scope:
            key = signing(await scope.signing_keys.all(), scope.now)
        if key is None:
            raise UnauthenticatedError(refusal)
        issued = int(self._now().timestamp())
        claims = TokenClaims(
            iss=ISSUER,
            sub=api_key.id,
            iat=issued,
            exp=issued + int(self._tokens_live.total_seconds()),
            jti=str(uuid4()),
        )
        return jwt.encode(
            msgspec.to_builtins(claims), self._private_key(key), algorithm=ALGORITHM, headers={"kid": key.id}
        )

    async def _verified(self, token: str) -> tuple[str, str] | None:
        """The workspace and the API key of a valid token."""
        try:
            key_id = str(UUID(jwt.get_unverified_header(token).get("kid", "")))
            async with self._database.reading() as connection:
                found = await find_signing_key(connection, key_id)
            if found is None:
                return None
            workspace_id, key = found
            claims = jwt.decode(
                token,
                key.public_key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
            )
            decoded = msgspec.convert(claims, TokenClaims)
            sub = str(UUID(decoded.sub))
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError, AttributeError, TypeError):
            return None
        return (workspace_id, sub) if self._now().timestamp() < decoded.exp else None

    def _private_key(self, key: SigningKey) -> RSAPrivateKey:
        if key.id not in self._private_keys:
            loaded = load_pem_private_key(self._sealer.open(key.sealed_private_key, private_key_place(key.id)), None)
            if not isinstance(loaded, RSAPrivateKey):
                raise TypeError(f"signing key {key.id} is not an RSA key")
            if len(self._private_keys) >= _KEPT_KEYS:
                self._private_keys.clear()
            self._private_keys[key.id] = loaded
        return self._private_keys[key.id]


def _is_usable(key: ApiKey, now: datetime, address: str) -> bool:
    return (
        key.revoked_at is None
        and (key.expires_at is None or now < key.expires_at)
        and (not key.allowed_ips or is_within(address, map(network_of, key.allowed_ips)))
    )


def _jwk(key_id: str, pem: str) -> Jwk:
    public = load_pem_public_key(pem.encode())
    if not isinstance(public, RSAPublicKey):
        raise TypeError(f"signing key {key_id} is not an RSA key")
    numbers = RSAAlgorithm.to_jwk(public, as_dict=True)
    return Jwk(kty="RSA", use="sig", alg=ALGORITHM, kid=key_id, n=numbers["n"], e=numbers["e"])
