"""What an author may write into an integration, and the draft that it makes."""

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from libs import messages
from libs.credentials import is_credential
from libs.deduplication import PARAMETERS_LIMIT
from libs.parameters import join, split
from services.config.definitions import Draft
from services.config.errors import Fault, InvalidError
from services.config.texts import check_text

NAME_LIMIT: Final = 200
ICON_LIMIT: Final = 200
PARAMETER_LIMIT: Final = 1000

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")


class Auth(Struct, frozen=True, kw_only=True):
    """Who may send. What belongs to kinds that cannot be chosen yet is not looked at."""

    kind: Literal["none", "jwt", "meta"]


class Deduplication(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """1 to 5 parameters, such as ``body.order.id`` and ``headers.x-form-id``."""

    parameters: tuple[str, ...]
    on_redis_down: Literal["reject", "accept"] = "reject"


class NewIntegration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An integration as its author writes it."""

    name: str
    icon: str | None = None
    auth: Auth
    deduplication: Deduplication | None = None


class IntegrationChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields to change; null takes an optional one away."""

    name: str | UnsetType = UNSET
    icon: str | UnsetType | None = UNSET
    auth: Auth | UnsetType = UNSET
    deduplication: Deduplication | UnsetType | None = UNSET


def new_draft(given: NewIntegration) -> Draft:
    """The draft of a new integration.

    Raises:
        InvalidError: names every fault at once.
    """
    faults: list[Fault] = []
    draft = Draft(
        name=check_text(given.name, "name", NAME_LIMIT, faults),
        icon=_icon(given.icon, faults),
        auth=_auth(given.auth, faults),
        deduplication=_deduplication(given.deduplication, faults),
    )
    if faults:
        raise InvalidError(faults)
    return draft


def changed_draft(draft: Draft, changes: IntegrationChanges) -> Draft:
    """The draft with the given fields changed.

    Raises:
        InvalidError: names every fault at once.
    """
    faults: list[Fault] = []
    name, icon, auth, rules = changes.name, changes.icon, changes.auth, changes.deduplication
    changed = Draft(
        name=draft.name if name is UNSET else check_text(name, "name", NAME_LIMIT, faults),
        icon=draft.icon if icon is UNSET else _icon(icon, faults),
        auth=draft.auth if auth is UNSET else _auth(auth, faults),
        deduplication=draft.deduplication if rules is UNSET else _deduplication(rules, faults),
    )
    if faults:
        raise InvalidError(faults)
    return changed


def _icon(given: str | None, faults: list[Fault]) -> str | None:
    return None if given is None else check_text(given, "icon", ICON_LIMIT, faults)


def _auth(given: Auth, faults: list[Fault]) -> messages.NoAuth:
    if given.kind != "none":
        faults.append(Fault("auth.kind", f"'{given.kind}' is not available yet, only 'none' is"))
    return messages.NoAuth()


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


def deduplication_parameter(path: str) -> str:
    """The parameter that a path names, header names in lower case.

    Raises:
        ValueError: it cannot be chosen; the message completes a sentence that begins with the parameter.
    """
    if len(path) > PARAMETER_LIMIT:
        raise ValueError(f"is longer than {PARAMETER_LIMIT} characters")
    place, *rest = split(path)
    if "*" in rest:
        raise ValueError("must name one value; '*' is for filters only")
    if place == "body" and rest:
        return path
    if place == "headers" and rest:
        return join(("headers", _header(rest)))
    raise ValueError("must begin with 'body.' or 'headers.' and name what is there")


def _header(rest: Sequence[str]) -> str:
    name = rest[0].lower()
    if len(rest) > 1 or not _HEADER_NAME.fullmatch(name):
        raise ValueError("does not name a header")
    if is_credential(name):
        raise ValueError("is a credential; credentials are never kept, so they cannot be compared")
    return name
