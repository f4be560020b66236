"""What an author may write into an integration, and the draft that it makes."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from libs import messages
from libs.deduplication import PARAMETERS_LIMIT
from libs.sealing import SealedError, Sealer
from services.config.definitions import Draft
from services.config.errors import Fault, InvalidError
from services.config.rules import deduplication_parameter
from services.config.texts import check_text

NAME_LIMIT: Final = 200
ICON_LIMIT: Final = 200
# Beside the new one: a new one can be published with a mistake in it, and be corrected before the sender uses it.
_KEPT_APP_SECRETS: Final = 2

# In a description too: what a description does not say, a client that is made from it cannot know.
_Secret = Annotated[str, Meta(min_length=1, max_length=512)]


class NoAuth(Struct, frozen=True, kw_only=True, tag_field="kind", tag="none", forbid_unknown_fields=True):
    """Anyone who knows the URL may send."""


class JwtAuth(
    Struct, frozen=True, kw_only=True, tag_field="kind", tag="jwt", rename="camel", forbid_unknown_fields=True
):
    """Only with a token that was made from this API key."""

    api_key_id: UUID


class MetaAuth(
    Struct, frozen=True, kw_only=True, tag_field="kind", tag="meta", rename="camel", forbid_unknown_fields=True
):
    """Signed as the webhooks of Meta are. Secrets are write-only, and stay as they are when they are left out.

    With `keep_previous_app_secret` what is signed with a secret that is in force now is accepted too, until it is sent
    as false. Both take effect when the draft is published.
    """

    app_secret: _Secret | UnsetType = UNSET
    verify_token: _Secret | UnsetType = UNSET
    keep_previous_app_secret: bool | UnsetType = UNSET
    split_batches: bool | UnsetType = UNSET


Auth = NoAuth | JwtAuth | MetaAuth


class RateLimit(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`burst` requests at once, and `per_second` in the long run."""

    per_second: Annotated[float, Meta(ge=0.001, le=1_000_000)]
    burst: Annotated[int, Meta(ge=1, le=1_000_000)]


class Deduplication(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """1 to 5 parameters, such as ``body.order.id`` and ``headers.x-form-id``."""

    parameters: tuple[str, ...]
    on_redis_down: Literal["reject", "accept"] = "reject"


class NewIntegration(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An integration as its author writes it."""

    name: str
    icon: str | None = None
    auth: Auth
    deduplication: Deduplication | None = None
    rate_limit: RateLimit | None = None


class IntegrationChanges(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fields to change; null takes an optional one away."""

    name: str | UnsetType = UNSET
    icon: str | UnsetType | None = UNSET
    auth: Auth | UnsetType = UNSET
    deduplication: Deduplication | UnsetType | None = UNSET
    rate_limit: RateLimit | UnsetType | None = UNSET


def new_draft(given: NewIntegration, integration_id: str, sealer: Sealer) -> Draft:
    """The draft of a new integration, its secrets sealed.

    Raises:
        InvalidError: names every fault at once.
    """
    faults: list[Fault] = []
    draft = Draft(
        name=check_text(given.name, "name", NAME_LIMIT, faults),
        icon=_icon(given.icon, faults),
        auth=_Authentication(integration_id, sealer, None, None).read(given.auth, faults),
        deduplication=_deduplication(given.deduplication, faults),
        rate_limit=_rate_limit(given.rate_limit),
    )
    if faults:
        raise InvalidError(faults)
    return draft


def changed_draft(
    draft: Draft, changes: IntegrationChanges, integration_id: str, sealer: Sealer, live: Draft | None = None
) -> Draft:
    """The draft with the given fields changed. `live` is what is published.

    Raises:
        InvalidError: names every fault at once.
    """
    faults: list[Fault] = []
    name, icon, auth, rules, limit = (
        changes.name,
        changes.icon,
        changes.auth,
        changes.deduplication,
        changes.rate_limit,
    )
    authentication = _Authentication(integration_id, sealer, draft.auth, live.auth if live else None)
    changed = Draft(
        name=draft.name if name is UNSET else check_text(name, "name", NAME_LIMIT, faults),
        icon=draft.icon if icon is UNSET else _icon(icon, faults),
        auth=draft.auth if auth is UNSET else authentication.read(auth, faults),
        deduplication=draft.deduplication if rules is UNSET else _deduplication(rules, faults),
        rate_limit=draft.rate_limit if limit is UNSET else _rate_limit(limit),
    )
    if faults:
        raise InvalidError(faults)
    return changed


def _icon(given: str | None, faults: list[Fault]) -> str | None:
    return None if given is None else check_text(given, "icon", ICON_LIMIT, faults)


class _Authentication(Struct, frozen=True):
    """Reads who may send to one integration, on top of what its draft had and of what is live."""

    integration_id: str
    sealer: Sealer
    before: messages.Auth | None
    live: messages.Auth | None

    def read(self, given: Auth, faults: list[Fault]) -> messages.Auth:
        match given:
            case NoAuth():
                return messages.NoAuth()
            case JwtAuth():
                return messages.JwtAuth(api_key_id=str(given.api_key_id))
            case MetaAuth():
                return self._meta(given, faults)

    def _meta(self, given: MetaAuth, faults: list[Fault]) -> messages.MetaAuth:
        known = [one for one in (self.before, self.live) if isinstance(one, messages.MetaAuth)]
        before = self.before if isinstance(self.before, messages.MetaAuth) else None
        app_secrets = self._app_secrets(given, before, known)
        if not app_secrets:
            faults.append(Fault("auth.appSecret", "is required"))
        if given.verify_token is not UNSET:
            place = messages.verify_token_place(self.integration_id)
            verify_token = self._sealed(given.verify_token, place, [one.verify_token for one in known])
        elif before:
            verify_token = before.verify_token
        else:
            faults.append(Fault("auth.verifyToken", "is required"))
            verify_token = ""
        split = before.split_batches if before and given.split_batches is UNSET else given.split_batches is True
        return messages.MetaAuth(app_secrets=app_secrets, verify_token=verify_token, split_batches=split)

    def _app_secrets(
        self, given: MetaAuth, before: messages.MetaAuth | None, known: Sequence[messages.MetaAuth]
    ) -> tuple[str, ...]:
        """The one that is to be used, and behind it those that are accepted too: of what is live, if anything is."""
        drafted = before.app_secrets if before else ()
        accepted = known[-1].app_secrets if known else ()
        if given.app_secret is UNSET:
            current = drafted[:1]
        else:
            place = messages.app_secret_place(self.integration_id)
            current = (self._sealed(given.app_secret, place, [*drafted, *accepted]),)
        if given.keep_previous_app_secret is True:
            return (*current, *[one for one in accepted if one not in current][:_KEPT_APP_SECRETS])
        is_changed = given.keep_previous_app_secret is False or current != drafted[:1]
        return current if is_changed else drafted

    def _sealed(self, secret: str, place: str, known: Sequence[str]) -> str:
        """The secret sealed, or as it is known already: what is sent again is no change of its own."""
        for sealed in known:
            with suppress(SealedError):
                if self.sealer.open(sealed, place) == secret.encode():
                    return sealed
        return self.sealer.seal(secret.encode(), place)


def _rate_limit(given: RateLimit | None) -> messages.RateLimit | None:
    return None if given is None else messages.RateLimit(per_second=given.per_second, burst=given.burst)


def _deduplication(given: Deduplication | None, faults: list[Fault]) -> messages.Deduplication | None:
    if given is None:
        return None
    count = len(given.parameters)
    if not 1 <= count <= PARAMETERS_LIMIT:
        limits = f"1 to {PARAMETERS_LIMIT} parameters are needed, not {count}"
        faults.append(Fault("deduplication.parameters", limits))
        return None
    return messages.Deduplication(parameters=_parameters(given.parameters, faults), on_redis_down=given.on_redis_down)


def _parameters(given: Sequence[str], faults: list[Fault]) -> tuple[str, ...]:
    accepted: list[str] = []
    for index, path in enumerate(given):
        field = f"deduplication.parameters[{index}]"
        try:
            parameter = deduplication_parameter(path)
        except ValueError as reason:
            faults.append(Fault(field, str(reason)))
            continue
        if parameter in accepted:
            faults.append(Fault(field, "is given twice"))
        accepted.append(parameter)
    return tuple(accepted)
