"""The rules for API keys: what tokens of senders are made from."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from libs.identifiers import new_event_id
from libs.networks import network_of
from services.config.advice import key_ids
from services.config.definitions import ApiKey, Integration, Time, same
from services.config.errors import ConflictError, Fault, InvalidError, NotFoundError
from services.config.identity import Identity
from services.config.pages import Page, page_of
from services.config.revisions import Expected, check, check_overwrite
from services.config.signing_keys import SigningKeys
from services.config.store.scope import Scope, Workspaces
from services.config.texts import check_text

NAME_LIMIT: Final = 200
NETWORKS_LIMIT: Final = 100

_SECRET_BYTES: Final = 32
_MARK: Final = "inlet_"
_PREFIX_LENGTH: Final = len(_MARK) + 8

ApiKeyPermission = Literal["INCOMING_WEBHOOK_EXECUTE"]


class NewApiKey(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A key as its administrator asks for it. `allowed_ips` are addresses or networks; none is anywhere."""

    name: str
    permissions: tuple[ApiKeyPermission, ...] = ("INCOMING_WEBHOOK_EXECUTE",)
    expires_at: Time | None = None
    allowed_ips: tuple[str, ...] = ()


class ApiKeyChanges(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fields to change; `expires_at` null is never."""

    name: str | UnsetType = UNSET
    permissions: tuple[ApiKeyPermission, ...] | UnsetType = UNSET
    expires_at: Time | UnsetType | None = UNSET
    allowed_ips: tuple[str, ...] | UnsetType = UNSET


class MadeApiKey(Struct, frozen=True, kw_only=True):
    """The only sight of a key's secret."""

    key: ApiKey
    secret: str


def sha256_of(secret: str) -> str:
    """What is stored of a secret. It is random and long, so nothing slower is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """What somebody may do with the API keys of their workspace.

    Every call that names one raises `NotFoundError` if the workspace has no such one.
    """

    def __init__(self, workspaces: Workspaces, signing_keys: SigningKeys) -> None:
        self._workspaces = workspaces
        self._signing_keys = signing_keys

    async def create(self, by: Identity, given: NewApiKey) -> MadeApiKey:
        """A new key. The workspace gets its first signing key with it: who knows the one also knows the other.

        Raises:
            InvalidError: what was given breaks a rule.
        """
        faults: list[Fault] = []
        name, networks = check_text(given.name, "name", NAME_LIMIT, faults), _networks(given.allowed_ips, faults)
        signing_key = await self._signing_keys.first_of(by.workspace.id)
        secret = _MARK + secrets.token_urlsafe(_SECRET_BYTES)
        async with self._workspaces.changing(by) as scope:
            _check_expiry(given.expires_at, scope.now, faults)
            if faults:
                raise InvalidError(faults)
            if signing_key is not None and not await scope.signing_keys.all():
                await scope.store("created", None, signing_key)
            key = ApiKey(
                id=new_event_id(),
                name=name,
                prefix=secret[:_PREFIX_LENGTH],
                secret_sha256=sha256_of(secret),
                permissions=tuple(dict.fromkeys(given.permissions)),
                allowed_ips=networks,
                expires_at=given.expires_at,
                changed_by=by.user_id,
                created_at=scope.now,
                updated_at=scope.now,
            )
            await scope.store("created", None, key)
        return MadeApiKey(key=key, secret=secret)

    async def page(self, by: Identity, limit: int, before: str | None) -> Page[ApiKey]:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return page_of(await scope.api_keys.newest(limit + 1, before=before), limit)

    async def usable(self, by: Identity) -> list[ApiKey]:
        """Those that tokens can be made from now."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            keys = await scope.api_keys.all()
            return [key for key in keys if not key.revoked_at and (not key.expires_at or key.expires_at > scope.now)]

    async def get(self, by: Identity, key_id: str) -> ApiKey:
        async with self._workspaces.reading(by.workspace.id) as scope:
            return await _existing(scope, key_id)

    async def used_by(self, by: Identity, key_id: str) -> list[Integration]:
        """The integrations that select it, in their draft or in what is live, the newest first."""
        async with self._workspaces.reading(by.workspace.id) as scope:
            return [one for one in reversed(await scope.integrations.all()) if key_id in key_ids([one])]

    async def change(self, by: Identity, key_id: str, changes: ApiKeyChanges, expected: Expected) -> ApiKey:
        """Change it; every ingress follows within a second.

        Raises:
            InvalidError: what was given breaks a rule.
            ConflictError: it is revoked, for good.
            OutdatedError, UnseenError: see `revisions`.
        """
        faults: list[Fault] = []
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, key_id)
            check_overwrite(before, expected, by)
            if before.revoked_at is not None:
                raise ConflictError("The key is revoked, and stays so. Make a new one.")
            after = _changed(before, changes, scope.now, faults)
            if faults:
                raise InvalidError(faults)
            return await _store(scope, by, "changed", before, after)

    async def revoke(self, by: Identity, key_id: str, expected: Expected) -> None:
        """End it for good; tokens made from it are refused at every ingress within a second."""
        async with self._workspaces.changing(by) as scope:
            before = await _existing(scope, key_id)
            check(before, expected)
            after = before if before.revoked_at else replace(before, revoked_at=scope.now)
            await _store(scope, by, "revoked", before, after)


async def _existing(scope: Scope, key_id: str) -> ApiKey:
    key = await scope.api_keys.get(key_id)
    if key is None:
        raise NotFoundError("There is no such API key.")
    return key


async def _store(scope: Scope, by: Identity, action: str, before: ApiKey, after: ApiKey) -> ApiKey:
    if same(before, after):
        return before
    stored = replace(after, revision=before.revision + 1, changed_by=by.user_id, updated_at=scope.now)
    await scope.store(action, before, stored)
    return stored


def _changed(key: ApiKey, changes: ApiKeyChanges, now: datetime, faults: list[Fault]) -> ApiKey:
    if changes.name is not UNSET:
        key = replace(key, name=check_text(changes.name, "name", NAME_LIMIT, faults))
    if changes.permissions is not UNSET:
        key = replace(key, permissions=tuple(dict.fromkeys(changes.permissions)))
    if changes.allowed_ips is not UNSET:
        key = replace(key, allowed_ips=_networks(changes.allowed_ips, faults))
    if changes.expires_at is not UNSET:
        _check_expiry(changes.expires_at, now, faults)
        key = replace(key, expires_at=changes.expires_at)
    return key


def _check_expiry(expires_at: datetime | None, now: datetime, faults: list[Fault]) -> None:
    if expires_at is None:
        return
    try:
        expires_at.astimezone(UTC)
    except OverflowError:
        faults.append(Fault("expiresAt", "must be a time that there is in every time zone"))
        return
    if expires_at.tzinfo is None:
        faults.append(Fault("expiresAt", "must have a time zone, such as Z"))
    elif expires_at <= now:
        faults.append(Fault("expiresAt", "must be in the future"))


def _networks(given: Sequence[str], faults: list[Fault]) -> tuple[str, ...]:
    if len(given) > NETWORKS_LIMIT:
        faults.append(Fault("allowedIps", f"must not be more than {NETWORKS_LIMIT}"))
        return ()
    networks: list[str] = []
    for index, text in enumerate(given):
        try:
            networks.append(str(network_of(text)))
        except ValueError:
            message = "must be an address or a network such as 203.0.113.0/24, without bits beyond its prefix"
            faults.append(Fault(f"allowedIps[{index}]", message))
    return tuple(dict.fromkeys(networks))
