"""The integrations and keys, compiled: an immutable view that is swapped whole when definitions change."""

import ipaddress
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from libs import messages
from libs.deduplication import Hasher
from libs.definitions import Changes
from libs.messages import (
    ApiKey,
    Capture,
    DraftIntegration,
    Integration,
    IntegrationRef,
    JwtAuth,
    MetaAuth,
    NoAuth,
    RateLimit,
    SigningKey,
    Source,
    Undecodable,
    ascii_json,
)
from libs.sealing import SealedError, Sealer
from libs.token_bucket import TokenBucket
from libs.tokens import EXECUTE
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import (
    Authenticator,
    Keyring,
    KnownApiKey,
    SignatureAuthenticator,
    TokenAuthenticator,
    VerifiedTokens,
    VerifyingKey,
)
from services.ingress.handshake import Handshake

T = TypeVar("T")

log = logging.getLogger(__name__)


class Route(NamedTuple):
    """What a request to one integration needs, ready to use."""

    # The encoded `libs.messages.Source`.
    source: bytes
    hasher: Hasher | None
    # Whether a request is refused while the claims cannot be reached.
    requires_claims: bool
    # None lets everybody in.
    authenticator: Authenticator | None = None
    handshake: Handshake | None = None
    duplicate: HttpAnswer = answers.DUPLICATE
    limit: RateLimit | None = None
    bucket: TokenBucket | None = None
    # A draft takes samples, and nothing else.
    is_draft: bool = False


# By integration id. One that exists but cannot be read by this version is refused, and never open.
Routes = Mapping[str, Route | HttpAnswer]


class View(NamedTuple):
    """Everything at one offset of the definitions. A draft is never in the place of what is published."""

    published: Routes
    drafts: Mapping[str, Route]
    captures: Mapping[str, Capture]
    keyring: Keyring


EMPTY = View({}, {}, {}, Keyring({}, {}))


class Snapshot:
    """The latest view, empty until the definitions have been loaded."""

    def __init__(self, compiler: "Compiler") -> None:
        self.view = EMPTY
        self._loaded = False
        self._compiler = compiler

    async def apply(self, changes: Changes) -> None:
        """Take over what changed; the `Apply` of the definitions view."""
        self.view = self._compiler.updated(self.view, changes)
        self._loaded = True

    def find(self, integration_id: str | None) -> Route | HttpAnswer:
        """The route of an integration, or why there is none; no id is no integration."""
        if integration_id is None:
            return answers.NOT_FOUND
        if not self._loaded:
            return answers.UNAVAILABLE
        view = self.view
        return view.published.get(integration_id) or view.drafts.get(integration_id) or answers.NOT_FOUND


class Compiler:
    """Turns definitions into routes. `replicas` is how many processes share the rate limit of an integration."""

    def __init__(self, sealer: Sealer, replicas: int = 1) -> None:
        self._sealer = sealer
        self._replicas = replicas
        self._verified = VerifiedTokens()

    def updated(self, view: View, changes: Changes) -> View:
        """The view after `changes`; the old one stays as it is for whoever holds it."""
        published, drafts, captures = dict(view.published), dict(view.drafts), dict(view.captures)
        signing, api = dict(view.keyring.signing), dict(view.keyring.api)
        for key, definition in changes.items():
            kind, _, name = key.partition("/")
            match kind:
                case "integration":
                    _put(published, name, self._route(name, definition, published.get(name)))
                case "draft":
                    draft = self._route(name, definition, drafts.get(name))
                    # What is not published looks like nothing, also where it is beyond this version.
                    _put(drafts, name, draft if isinstance(draft, Route) else None)
                case "capture":
                    _put(captures, name, definition if isinstance(definition, Capture) else None)
                case "signing-key":
                    _put(signing, name, _verifying_key(definition))
                case "api-key":
                    _put(api, name, _known(definition))
        return View(published, drafts, captures, Keyring(signing, api))

    def _route(
        self, name: str, definition: messages.Definition | Undecodable | None, before: Route | HttpAnswer | None
    ) -> Route | HttpAnswer | None:
        """Prepare a route, or the refusal where the definition is beyond this version."""
        if definition is None:
            return None
        if isinstance(definition, Integration | DraftIntegration):
            # A parameter that is no path as this version reads them; a secret of another master key.
            with suppress(ValueError, SealedError):
                return self._compiled(definition, before if isinstance(before, Route) else None)
        log.error("integration %s cannot be used by this ingress: its requests are refused", name)
        return answers.UNAVAILABLE

    def _compiled(self, one: Integration | DraftIntegration, before: Route | None) -> Route:
        reference = IntegrationRef(id=one.id, name=one.name, version=one.version)
        rules = one.deduplication
        route = Route(
            source=ascii_json(Source(workspace=one.workspace, integration=reference)),
            hasher=Hasher(one.id, rules.parameters) if rules else None,
            requires_claims=rules is not None and rules.on_redis_down == "reject",
            limit=one.rate_limit,
            bucket=self._bucket(one.rate_limit, before),
            is_draft=isinstance(one, DraftIntegration),
        )
        match one.auth:
            case NoAuth():
                return route
            case JwtAuth(api_key_id=key):
                return route._replace(authenticator=TokenAuthenticator(key, one.workspace, self._verified))
            case MetaAuth(split_batches=False):
                opened = (self._sealer.open(it, messages.app_secret_place(one.id)) for it in one.auth.app_secrets)
                verify_token = self._sealer.open(one.auth.verify_token, messages.verify_token_place(one.id))
                return route._replace(
                    authenticator=SignatureAuthenticator(opened),
                    handshake=Handshake(verify_token),
                    duplicate=answers.ACCEPTED_ELSEWHERE,  # Meta repeats whatever is not answered 200
                )
            case MetaAuth():
                raise ValueError("batches cannot be split by this version")

    def _bucket(self, limit: RateLimit | None, before: Route | None) -> TokenBucket | None:
        if limit is None:
            return None
        if before is not None and before.limit == limit:
            return before.bucket
        return TokenBucket(limit.per_second / self._replicas, limit.burst / self._replicas)


def _put(mapping: dict[str, T], name: str, value: T | None) -> None:
    if value is None:
        mapping.pop(name, None)
    else:
        mapping[name] = value


def _verifying_key(definition: object) -> VerifyingKey | None:
    """A key that cannot be read verifies nothing."""
    if isinstance(definition, SigningKey):
        with suppress(ValueError):
            public = load_pem_public_key(definition.public_key.encode())
            if isinstance(public, RSAPublicKey):
                return VerifyingKey(definition.workspace, public)
    return None


def _known(definition: object) -> KnownApiKey | None:
    """A key that cannot be read lets nobody in."""
    if isinstance(definition, ApiKey):
        with suppress(ValueError):
            return KnownApiKey(
                workspace=definition.workspace,
                may_execute=EXECUTE in definition.permissions,
                expires_at_s=definition.expires_at.timestamp() if definition.expires_at else math.inf,
                networks=tuple(ipaddress.ip_network(network) for network in definition.allowed_ips),
            )
    return None
