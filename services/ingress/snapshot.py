"""The published integrations, compiled: an immutable mapping that is swapped whole when definitions change."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from libs.deduplication import Hasher
from libs.definitions import Changes
from libs.messages import Integration, IntegrationRef, NoAuth, Source, ascii_json
from services.ingress import answers
from services.ingress.answers import HttpAnswer

log = logging.getLogger(__name__)


class Route(NamedTuple):
    """What a request to one integration needs, ready to use."""

    # The encoded `libs.messages.Source`.
    source: bytes
    hasher: Hasher | None
    # Whether a request is refused while the claims cannot be reached.
    requires_claims: bool


# By integration id. One that exists but cannot be read by this version is refused, and never open.
Routes = Mapping[str, Route | HttpAnswer]


class Snapshot:
    """The latest routes, None until the definitions have been loaded."""

    def __init__(self) -> None:
        self._routes: Routes | None = None

    async def apply(self, changes: Changes) -> None:
        """Take over what changed; the `Apply` of the definitions view."""
        self._routes = updated(self._routes or {}, changes)

    def find(self, integration_id: str | None) -> Route | HttpAnswer:
        """The route of an integration, or why there is none; no id is no integration."""
        if integration_id is None:
            return answers.NOT_FOUND
        if self._routes is None:
            return answers.UNAVAILABLE
        return self._routes.get(integration_id, answers.NOT_FOUND)


def updated(routes: Routes, changes: Changes) -> Routes:
    """The routes after `changes`; the old ones stay as they are for whoever holds them."""
    new = dict(routes)
    for key, definition in changes.items():
        kind, _, integration_id = key.partition("/")
        if kind != "integration":
            continue
        if definition is None:
            new.pop(integration_id, None)
        else:
            new[integration_id] = _compile(integration_id, definition)
    return new


def _compile(integration_id: str, definition: object) -> Route | HttpAnswer:
    """Prepare a route, or the refusal where the definition is beyond this version."""
    if isinstance(definition, Integration) and isinstance(definition.auth, NoAuth):
        reference = IntegrationRef(id=definition.id, name=definition.name, version=definition.version)
        rules = definition.deduplication
        with suppress(ValueError):  # a parameter that is no path as this version reads them
            return Route(
                source=ascii_json(Source(workspace=definition.workspace, integration=reference)),
                hasher=Hasher(definition.id, rules.parameters) if rules else None,
                requires_claims=rules is not None and rules.on_redis_down == "reject",
            )
    log.error("integration %s needs a later version of the ingress: its requests are refused", integration_id)
    return answers.UNAVAILABLE
