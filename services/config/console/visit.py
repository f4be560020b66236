"""A request of somebody who is signed in: who it is, what they see, and the rules that they work with."""

from collections.abc import Sequence
from typing import Final

from litestar import Response
from msgspec import Struct

from libs.sealing import Sealer
from services.config.accounts import Accounts
from services.config.activity import Activity
from services.config.api_keys import ApiKeys
from services.config.audit_log import AuditLog
from services.config.business_events import BusinessEvents
from services.config.captures import Captures
from services.config.console.forms import Faults
from services.config.console.rendering import View
from services.config.dead_letters.of_workspace import OwnDeadLetters
from services.config.errors import Fault, OutdatedError, RequestError
from services.config.explanations import Explanations
from services.config.identity import Identity
from services.config.integrations import Integrations
from services.config.rest.errors import STATUSES
from services.config.rest.integration_answers import IngressUrl
from services.config.users import Users
from services.config.workspace import OwnWorkspace

_KEYS_LIMIT: Final = 200


class Control(Struct, frozen=True, kw_only=True):
    """Everything that somebody may do, as the REST API does it too, and the addresses that they tell others."""

    accounts: Accounts
    integrations: Integrations
    captures: Captures
    activity: Activity
    explanations: Explanations
    dead_letters: OwnDeadLetters
    workspace: OwnWorkspace
    business_events: BusinessEvents
    api_keys: ApiKeys
    users: Users
    audit_log: AuditLog
    sealer: Sealer
    ingress_url: IngressUrl
    config_url: str


class Visit(Struct, frozen=True, kw_only=True):
    """Somebody signed in, on a page."""

    identity: Identity
    control: Control
    view: View

    def page(self, template: str, error: RequestError | None = None, **context: object) -> Response[str]:
        """The page made from a template; with an error, what is to be corrected on it."""
        if error is None:
            return self.view.page(template, 200, **context)
        faults = Faults(error.faults or [Fault("", error.message)])
        outdated = isinstance(error, OutdatedError)
        return self.view.page(template, STATUSES[type(error)], **context | {"faults": faults, "outdated": outdated})

    async def usable_keys(self, chosen: str) -> Sequence[tuple[str, str]]:
        """The API keys to choose from, the newest first and with the chosen one: id, and name with the prefix."""
        keys = await self.control.api_keys.usable(self.identity)
        older, newest = keys[:-_KEYS_LIMIT], keys[-_KEYS_LIMIT:]
        shown = [*(key for key in older if key.id == chosen), *newest]
        return [(key.id, f"{key.name} ({key.prefix}…)") for key in reversed(shown)]
