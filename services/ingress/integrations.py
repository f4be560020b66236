"""An integration as the ingress uses it: compiled from its definition, with its secrets opened."""

from typing import NamedTuple

from libs import messages
from libs.deduplication import Hasher
from libs.messages import (
    Batch,
    DraftIntegration,
    Integration,
    IntegrationRef,
    JwtAuth,
    MetaAuth,
    NoAuth,
    RateLimit,
    Source,
    ascii_json,
)
from libs.sealing import Sealer
from libs.token_bucket import TokenBucket
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Authenticator
from services.ingress.handshake import Handshake
from services.ingress.signatures import SignatureAuthenticator
from services.ingress.tally import Tallies, Tally
from services.ingress.tokens import TokenAuthenticator, VerifiedTokens


class Route(NamedTuple):
    """What a request to one integration needs, ready to use."""

    id: str
    # The encoded `libs.messages.Source`.
    source: bytes
    hasher: Hasher | None
    # Whether a request is refused while the claims cannot be reached.
    requires_claims: bool
    tally: Tally
    # None lets everybody in.
    authenticator: Authenticator | None = None
    handshake: Handshake | None = None
    duplicate: HttpAnswer = answers.DUPLICATE
    limit: RateLimit | None = None
    bucket: TokenBucket | None = None
    # The encoded `libs.messages.Batch`, of an integration whose requests are split into several events.
    batch: bytes | None = None
    # A draft takes samples, and nothing else.
    is_draft: bool = False


class IntegrationCompiler:
    """Turns definitions into routes. `replicas` is how many processes share the rate limit of an integration."""

    def __init__(self, sealer: Sealer, tallies: Tallies, replicas: int) -> None:
        self._sealer = sealer
        self._tallies = tallies
        self._replicas = replicas
        self._verified = VerifiedTokens()

    def route(self, one: Integration | DraftIntegration, before: Route | None) -> Route:
        """Compile a definition; `before` is its route before the change.

        Raises:
            ValueError: a parameter is no path as this version reads them.
            SealedError: a secret was sealed with another master key.
        """
        reference = IntegrationRef(id=one.id, name=one.name, version=one.version)
        rules = one.deduplication
        route = Route(
            id=one.id,
            source=ascii_json(Source(workspace=one.workspace, integration=reference)),
            hasher=Hasher(one.id, rules.parameters) if rules else None,
            requires_claims=rules is not None and rules.on_redis_down == "reject",
            tally=before.tally if before is not None else self._tallies.of(one.id),
            limit=one.rate_limit,
            bucket=self._bucket(one.rate_limit, before),
            is_draft=isinstance(one, DraftIntegration),
        )
        match one.auth:
            case NoAuth():
                return route
            case JwtAuth(api_key_id=key):
                return route._replace(authenticator=TokenAuthenticator(key, one.workspace, self._verified))
            case MetaAuth():
                opened = (self._sealer.open(it, messages.app_secret_place(one.id)) for it in one.auth.app_secrets)
                verify_token = self._sealer.open(one.auth.verify_token, messages.verify_token_place(one.id))
                route = route._replace(
                    authenticator=SignatureAuthenticator(opened),
                    handshake=Handshake(verify_token),
                    duplicate=answers.DUPLICATE_OF_META,
                )
                if not one.auth.split_batches:
                    return route
                # Their parts are deduplicated, which is the normalizer's work.
                batch = Batch(parameters=rules.parameters if rules else ())
                return route._replace(batch=ascii_json(batch), hasher=None)

    def _bucket(self, limit: RateLimit | None, before: Route | None) -> TokenBucket | None:
        if limit is None:
            return None
        if before is not None and before.limit == limit:
            return before.bucket
        return TokenBucket(limit.per_second / self._replicas, limit.burst / self._replicas)
