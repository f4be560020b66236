"""Secrets at rest: AES-256-GCM under the master key, bound to the place where they belong.

A sealed text is ``v1.<key id>.<nonce and ciphertext>``, base64url. The associated data names the place, so a sealed
text that somebody moves to another row or record cannot be opened there (NIST SP 800-38D; nonces are 96 random bits).
"""

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.settings import SettingsError

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1"


class SealedError(Exception):
    """A sealed text cannot be opened here: it was sealed with another master key, for another place, or altered."""


class Sealer:
    """Seals with the first master key, whose id is `first`, and opens with any of them."""

    def __init__(self, master_keys: str) -> None:
        """Read ``INLET_MASTER_KEY``: 32 bytes in base64 or base64url, or several such keys with commas between.

        Raises:
            SettingsError: it is nothing like that. The message does not repeat it.
        """
        keys = [_key(one) for one in master_keys.split(",")]
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self.first = _key_id(keys[0])

    def seal(self, secret: bytes, place: str) -> str:
        """Seal a secret for one place, such as ``meta-app-secret/<integration id>``."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[self.first].encrypt(nonce, secret, place.encode())
        return f"{_VERSION}.{self.first}.{urlsafe_b64encode(sealed).decode()}"

    def is_current(self, sealed: str) -> bool:
        """Whether a text is sealed with the first master key."""
        version, key_id, _ = _parts(sealed)
        return (version, key_id) == (_VERSION, self.first)

    def reseal(self, sealed: str, place: str) -> str:
        """The same secret sealed with the first master key, which is the same text if it was.

        Raises:
            SealedError: it cannot be opened.
        """
        return sealed if self.is_current(sealed) else self.seal(self.open(sealed, place), place)

    def check(self, sealed: str) -> None:
        """Return if the master key of a sealed text is here.

        Raises:
            SealedError: it is not.
        """
        version, key_id, _ = _parts(sealed)
        if version != _VERSION or key_id not in self._ciphers:
            missing = f"master key {key_id[:8]}, which is not in INLET_MASTER_KEY: add it there, after a comma"
            raise SealedError(f"sealed with {missing}")

    def open(self, sealed: str, place: str) -> bytes:
        """The secret again.

        Raises:
            SealedError: see there.
        """
        self.check(sealed)
        _, key_id, encoded = _parts(sealed)
        try:
            raw = urlsafe_b64decode(encoded)
            return self._ciphers[key_id].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise SealedError("altered, or sealed for another place") from error


def _parts(sealed: str) -> tuple[str, str, str]:
    version, _, rest = sealed.partition(".")
    key_id, _, encoded = rest.partition(".")
    return version, key_id, encoded


def _key(text: str) -> bytes:
    encoded = text.strip().replace("+", "-").replace("/", "_")
    try:
        key = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"INLET_MASTER_KEY is not {KEY_BYTES} bytes in base64; make one with: openssl rand -base64 {KEY_BYTES}"
        )
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"inlet master key " + key).hexdigest()[:8]
