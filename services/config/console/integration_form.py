"""An integration as a form: what is shown of a draft, and what is sent back, as the API takes it."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from libs.messages import JwtAuth, MetaAuth, NoAuth
from services.config.console.forms import Form, convert
from services.config.console.typed import unheld
from services.config.definitions import Draft
from services.config.drafts import IntegrationChanges, NewIntegration
from services.config.errors import Fault, InvalidError

AuthKind = Literal["jwt", "none", "meta"]

AUTH_NAMES: Final[Mapping[str, str]] = {
    "jwt": "JWT authentication",
    "none": "Without authentication",
    "meta": "Webhook from Meta",
}
_RULES: Final = frozenset({"parameters", "on_redis_down"})
HASH_HEADER: Final = "headers.x-deduplication-hash"


class IntegrationForm(Struct, frozen=True, kw_only=True):
    """What the fields hold. Secrets that were typed are never put back."""

    kind: str
    name: str = ""
    icon: str = ""
    api_key_id: str = ""
    split_batches: bool = False
    keep_previous: bool = False
    parameters: tuple[str, ...] = ()
    on_redis_down: str = "reject"
    per_second: str = ""
    burst: str = ""


def shown(draft: Draft) -> IntegrationForm:
    """The fields of a draft."""
    auth, rules, limit = draft.auth, draft.deduplication, draft.rate_limit
    return IntegrationForm(
        kind=kind_of(draft),
        name=draft.name,
        icon=draft.icon or "",
        api_key_id=auth.api_key_id if isinstance(auth, JwtAuth) else "",
        split_batches=isinstance(auth, MetaAuth) and auth.split_batches,
        keep_previous=isinstance(auth, MetaAuth) and len(auth.app_secrets) > 1,
        parameters=rules.parameters if rules else (),
        on_redis_down=rules.on_redis_down if rules else "reject",
        per_second="" if limit is None else str(limit.per_second).removesuffix(".0"),
        burst="" if limit is None else str(limit.burst),
    )


def kind_of(draft: Draft) -> AuthKind:
    match draft.auth:
        case NoAuth():
            return "none"
        case JwtAuth():
            return "jwt"
        case MetaAuth():
            return "meta"


def read(form: Form, kind: str) -> IntegrationForm:
    """The fields as they were sent; of parameters those that are ticked, and those that are typed, each once."""
    parameters = [unheld(text) for text in (*form.texts("parameter"), *form.lines("typed"))]
    return IntegrationForm(
        kind=kind,
        name=form.text("name"),
        icon=form.text("icon"),
        api_key_id=form.text("apiKeyId"),
        split_batches=bool(form.text("splitBatches")),
        keep_previous=bool(form.text("keepPrevious")),
        parameters=tuple(dict.fromkeys(parameters)),
        on_redis_down=form.text("onRedisDown", "reject"),
        per_second=form.text("perSecond").strip(),
        burst=form.text("burst").strip(),
    )


def differing_sections(fields: IntegrationForm, draft: Draft, form: Form) -> set[str]:
    """The sections in which something else was sent than a draft has, or a secret, which cannot be compared."""
    stored = shown(draft)
    differing = {name for name in IntegrationForm.__struct_fields__ if getattr(fields, name) != getattr(stored, name)}
    sections: set[str] = set()
    if differing & _RULES:
        sections.add("deduplication")
    if differing - _RULES or form.text("appSecret") or form.text("verifyToken"):
        sections.add("endpoint")
    return sections


def new_integration(fields: IntegrationForm, form: Form) -> NewIntegration:
    """What creates it.

    Raises:
        InvalidError: a field has the wrong form; the rules check the rest.
    """
    return convert(_as_json(fields, form), NewIntegration)


def changes(fields: IntegrationForm, form: Form) -> IntegrationChanges:
    """What changes it into this.

    Raises:
        InvalidError: as for `new_integration`.
    """
    return convert(_as_json(fields, form), IntegrationChanges)


def _as_json(fields: IntegrationForm, form: Form) -> dict[str, object]:
    faults: list[Fault] = []
    content: dict[str, object] = {
        "name": fields.name,
        "icon": fields.icon.strip() or None,
        "auth": _auth(fields, form, faults),
        "deduplication": None,
        "rateLimit": _rate_limit(fields, faults),
    }
    if fields.parameters:
        content["deduplication"] = {"parameters": fields.parameters, "onRedisDown": fields.on_redis_down}
    if faults:
        raise InvalidError(faults)
    return content


def _auth(fields: IntegrationForm, form: Form, faults: list[Fault]) -> dict[str, object]:
    match fields.kind:
        case "jwt":
            if not fields.api_key_id:
                faults.append(Fault("auth.apiKeyId", "choose the API key that tokens are made from"))
            return {"kind": "jwt", "apiKeyId": fields.api_key_id}
        case "meta":
            secrets = {"appSecret": form.text("appSecret"), "verifyToken": form.text("verifyToken")}
            return {
                "kind": "meta",
                "splitBatches": fields.split_batches,
                "keepPreviousAppSecret": fields.keep_previous,
                **{name: value for name, value in secrets.items() if value},  # empty: as it was
            }
        case _:
            return {"kind": "none"}


def _rate_limit(fields: IntegrationForm, faults: list[Fault]) -> dict[str, object] | None:
    if not fields.per_second and not fields.burst:
        return None
    limit: dict[str, object] = {}
    for name, text, kind in (("perSecond", fields.per_second, float), ("burst", fields.burst, int)):
        try:
            limit[name] = kind(text)
        except ValueError:
            faults.append(Fault(f"rateLimit.{name}", "must be a number" if kind is float else "must be a whole number"))
    return limit
