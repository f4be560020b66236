"""Passwords: argon2id, computed beside the event loop and a few at a time."""

import asyncio
import base64
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE = 2  # each takes 64 MiB, and a core for some 50 ms


class Passwords:
    """Hashes passwords and checks them. An unknown user costs the same time as a wrong password."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobody = _hash_of_nothing(self._hasher)

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password; None stands for the hash of a user that does not exist."""
        async with self._turns:
            return await asyncio.to_thread(self._verify, hashed or self._nobody, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """What looks like a hash, takes as long to check, and is that of no known password."""
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19${costs}${salt}${digest}"
