"""The keys that sign tokens, one signing and any number still verifying in each workspace, and their rotation.

A rotation costs no token, because no step depends on how fast another service is:

1. The new key is stored and announced. The old one goes on signing.
2. Once its record has left the outbox for a minute's time, it signs. Ingresses that read the definitions know it
   by then; one that does not read them has no Kafka either, and accepts nothing. Of several, only the newest does.
3. The old key verifies until the last token that it signed has expired, and is then deleted.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec.structs import replace

from libs.identifiers import new_event_id
from libs.sealing import Sealer
from services.config.definitions import SigningKey
from services.config.errors import NotFoundError, UnavailableError
from services.config.identity import Identity
from services.config.sealed import private_key_place
from services.config.store.scope import Scope, Workspaces

_BITS: Final = 2048
_KNOWN_AFTER: Final = timedelta(minutes=1)
_TEND_INTERVAL_S: Final = 5.0


class SigningKeys:
    """Makes, rotates and ends signing keys."""

    def __init__(self, workspaces: Workspaces, sealer: Sealer, *, tokens_live: timedelta, rotation: timedelta) -> None:
        """`tokens_live` is how long a token is valid, `rotation` the age at which a key gets its successor."""
        self._workspaces = workspaces
        self._sealer = sealer
        self._tokens_live = tokens_live
        self._rotation = rotation

    async def first_of(self, workspace_id: str) -> SigningKey | None:
        """A key to store for a workspace that has none; it signs at once."""
        async with self._workspaces.reading(workspace_id) as scope:
            return None if await scope.signing_keys.all() else await self._made(scope.now, signs_from=scope.now)

    async def all(self, by: Identity) -> list[SigningKey]:
        """The oldest first."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await scope.signing_keys.all()

    async def rotate(self, by: Identity) -> SigningKey:
        """A new key, which takes over when it is known everywhere."""
        async with self._workspaces.changing(by) as scope:
            signs_from = None if await scope.signing_keys.all() else scope.now
            key = await self._made(scope.now, signs_from=signs_from)
            await scope.store("created", None, key)
        return key

    async def delete(self, by: Identity, key_id: str) -> None:
        """End a key at once, and every token that it has signed: it may be known to somebody.

        Raises:
            NotFoundError: the workspace has no such key.
        """
        async with self._workspaces.changing(by) as scope:
            key = await scope.signing_keys.get(key_id)
            if key is None:
                raise NotFoundError("There is no such signing key.")
            await scope.store("deleted", key, None)
            left = await scope.signing_keys.all()
            if signing(left, scope.now) is None:
                await self._replace_at_once(scope, left)

    async def run(self) -> None:
        """Rotate what is due until cancelled. The store being away does not end it."""
        while True:
            with suppress(UnavailableError):  # the relay says so
                for workspace_id in await self._workspaces.ids():
                    await self.tend(workspace_id)
            await asyncio.sleep(_TEND_INTERVAL_S)

    async def tend(self, workspace_id: str) -> None:
        """Take the steps of the rotation that are due."""
        async with self._workspaces.reading(workspace_id) as scope:
            if not self._is_due(await scope.signing_keys.all(), scope.now):
                return
        async with self._workspaces.tending(workspace_id) as scope:
            keys = await scope.signing_keys.all()
            if keys and scope.now - keys[-1].created_at >= self._rotation:
                await scope.store("created", None, await self._made(scope.now, signs_from=None))
            for key in reversed(keys):
                if _is_next(key) and _is_known(key, scope.now) and not await scope.is_waiting(key):
                    await self._take_over(scope, key, keys)
                    break
            for key in keys:
                if key.verifies_until is not None and key.verifies_until <= scope.now:
                    await scope.store("deleted", key, None)

    def _is_due(self, keys: list[SigningKey], now: datetime) -> bool:
        return any(
            (_is_next(key) and _is_known(key, now))
            or (key.verifies_until is not None and key.verifies_until <= now)
            or (key is keys[-1] and now - key.created_at >= self._rotation)
            for key in keys
        )

    async def _take_over(self, scope: Scope, key: SigningKey, keys: list[SigningKey]) -> None:
        await scope.store("took over", key, replace(key, signs_from=scope.now))
        for other in keys:
            if other.id < key.id and other.verifies_until is None:
                until = scope.now + self._tokens_live + _KNOWN_AFTER
                await scope.store("retired", other, replace(other, verifies_until=until))

    async def _replace_at_once(self, scope: Scope, left: list[SigningKey]) -> None:
        """The newest key that is left takes over, or a new one: that some ingress refuses it for a moment is less."""
        following = next((key for key in reversed(left) if key.verifies_until is None), None)
        if following is None:
            await scope.store("created", None, await self._made(scope.now, signs_from=scope.now))
        else:
            await self._take_over(scope, following, left)

    async def _made(self, now: datetime, *, signs_from: datetime | None) -> SigningKey:
        private = await asyncio.to_thread(rsa.generate_private_key, public_exponent=65537, key_size=_BITS)
        key_id = new_event_id()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return SigningKey(
            id=key_id,
            sealed_private_key=self._sealer.seal(pem, private_key_place(key_id)),
            public_key=public.decode(),
            signs_from=signs_from,
            created_at=now,
        )


def signing(keys: list[SigningKey], now: datetime) -> SigningKey | None:
    """Of these keys, the oldest first, the one that signs now."""
    able = [key for key in keys if key.signs_from is not None and key.signs_from <= now and key.verifies_until is None]
    return able[-1] if able else None


def _is_next(key: SigningKey) -> bool:
    """Whether it is still to sign; one that a newer one has overtaken never does."""
    return key.signs_from is None and key.verifies_until is None


def _is_known(key: SigningKey, now: datetime) -> bool:
    return now - key.created_at >= _KNOWN_AFTER
