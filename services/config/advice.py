"""What people should know about something that works as it is written, and may not do what is wanted."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from libs.batches import parts_of
from libs.messages import Auth, JwtAuth, Sample
from libs.parameters import ABSENT, find, flatten, split
from libs.tokens import EXECUTE
from services.config.definitions import ApiKey, Integration
from services.config.errors import Fault
from services.config.identity import Permission, User
from services.config.rules import idle_policy, lost_parts, uncovered_headers


def advice_on_user(user: User) -> list[Fault]:
    """About a user who may sign in, and do nothing."""
    access = Permission.AUTOMATION_ACCESS
    return [] if access in user.permissions else [Fault("permissions", f"lack {access}: without it nothing is allowed")]


def advice_on_key(key: ApiKey) -> list[Fault]:
    """About an API key whose tokens are of no use."""
    if EXECUTE in key.permissions:
        return []
    return [Fault("permissions", f"lack {EXECUTE}: every request with a token of this key is answered 403")]


def key_ids(integrations: Iterable[Integration]) -> set[str]:
    """The API keys that these integrations select, in their drafts and in what is live."""
    drafts = [draft for one in integrations for draft in (one.draft, one.published) if draft is not None]
    return {draft.auth.api_key_id for draft in drafts if isinstance(draft.auth, JwtAuth)}


def advice_on_draft(integration: Integration) -> list[Fault]:
    draft = integration.draft
    given = (draft.auth, draft.deduplication)
    return [*uncovered_headers(*given), *lost_parts(*given), *idle_policy(*given)]


def advice_on_sample(integration: Integration, sample: Sample) -> list[Fault]:
    """About the parameters that the draft is deduplicated by, and what was captured last.

    Takes processor time for a large sample, so not for the event loop.
    """
    rules = integration.draft.deduplication
    body = msgspec.json.decode(sample.body, type=dict[str, object])
    parts = [part.body for part in parts_of(body)] if integration.draft.splits_batches else []
    absent = {
        index: parameter
        for index, parameter in enumerate(rules.parameters if rules else ())
        if all(find(split(parameter), sample.headers, one) is ABSENT for one in (body, *parts))
    }
    leaves = flatten(sample.headers, body) if absent else {}
    return [
        Fault(f"deduplication.parameters[{index}]", _absence(any(leaf.startswith(f"{parameter}.") for leaf in leaves)))
        for index, parameter in absent.items()
    ]


def _absence(has_leaves: bool) -> str:  # noqa: FBT001  the one thing that makes the difference
    if has_leaves:
        return "is an object or array in the latest sample, and such a thing counts as absent: choose what is in it"
    return "is not in the latest sample: check its name; requests without it are not told apart by it"


def advice_on_keys(integration: Integration, keys: Mapping[str, ApiKey], now: datetime) -> list[Fault]:
    """About the API key of the draft; and that of what is live, if it is another one.

    `keys` are those of `key_ids`, by their ids.
    """
    draft, live = integration.draft, integration.published
    found = list(_useless_key("auth.apiKeyId", draft.auth, keys, now))
    if live is not None and live.auth != draft.auth:
        found += _useless_key("published.auth.apiKeyId", live.auth, keys, now)
    return found


def _useless_key(field: str, auth: Auth, keys: Mapping[str, ApiKey], now: datetime) -> Iterator[Fault]:
    if not isinstance(auth, JwtAuth):
        return
    key = keys.get(auth.api_key_id)
    if key is None or key.revoked_at is not None:
        yield Fault(field, "is revoked: every request is answered 403")
    elif key.expires_at is not None and key.expires_at <= now:
        yield Fault(field, "has expired: every request is answered 403")
    elif EXECUTE not in key.permissions:
        yield Fault(field, f"lacks the permission {EXECUTE}: every request is answered 403")
