"""The integrations and keys, compiled: an immutable view that is swapped whole when definitions change."""

import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from libs import messages
from libs.definitions import Changes
from libs.messages import ApiKey, Capture, DraftIntegration, Integration, SigningKey, Undecodable
from libs.networks import network_of
from libs.sealing import SealedError, Sealer
from libs.tokens import EXECUTE
from services.ingress import answers
from services.ingress.answers import HttpAnswer
from services.ingress.authentication import Keyring, KnownApiKey, VerifyingKey
from services.ingress.integrations import IntegrationCompiler, Route
from services.ingress.tally import Tallies

T = TypeVar("T")

log = logging.getLogger(__name__)


# By integration id. One that exists but cannot be read by this version is refused, and never open.
Routes = Mapping[str, Route | HttpAnswer]


class View(NamedTuple):
    """Everything at one offset of the definitions. A draft is never in the place of what is published."""

    published: Routes
    drafts: Mapping[str, Route]
    captures: Mapping[str, Capture]
    keyring: Keyring


# Whose absence lets in nobody who should not be: what this version cannot read of them is as good as deleted.
_LESS: Final = ("capture", "signing-key", "api-key")

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
    """Turns definitions into views. `replicas` is how many processes share the rate limit of an integration."""

    def __init__(self, sealer: Sealer, tallies: Tallies, replicas: int = 1) -> None:
        self._integrations = IntegrationCompiler(sealer, tallies, replicas)

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
            if kind in _LESS and isinstance(definition, Undecodable):
                log.error("%s is beyond this version and counts as not there: %s", key, definition.reason)
        return View(published, drafts, captures, Keyring(signing, api))

    def _route(
        self, name: str, definition: messages.Definition | Undecodable | None, before: Route | HttpAnswer | None
    ) -> Route | HttpAnswer | None:
        """Prepare a route, or the refusal where the definition is beyond this version."""
        if definition is None:
            return None
        if isinstance(definition, Integration | DraftIntegration):
            try:
                return self._integrations.route(definition, before if isinstance(before, Route) else None)
            except SealedError as error:
                why = f"a secret was {error}"
            except ValueError:  # a parameter that is no path as this version reads them
                why = "it is beyond this version"
        else:
            why = "it is beyond this version"
        log.error("integration %s cannot be used by this ingress: its requests are refused: %s", name, why)
        return answers.UNAVAILABLE


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
                networks=tuple(map(network_of, definition.allowed_ips)),
            )
    return None
