"""What is sealed of what is stored, see `libs.sealing`; and the same sealed anew."""

from collections.abc import Callable
from functools import cache

from msgspec.structs import replace

from libs import messages
from libs.sealing import Sealer
from services.config.definitions import Draft, Integration, SigningKey

Secretive = Integration | SigningKey
Reseal = Callable[[str, str], str]


def private_key_place(key_id: str) -> str:
    """What a private key is sealed for."""
    return f"signing-key/{key_id}"


def texts_in_auth(auth: messages.Auth) -> tuple[str, ...]:
    """Every sealed text in what is said of who may send."""
    return (*auth.app_secrets, auth.verify_token) if isinstance(auth, messages.MetaAuth) else ()


def texts_in(stored: Secretive) -> tuple[str, ...]:
    """Every sealed text in it."""
    if isinstance(stored, SigningKey):
        return (stored.sealed_private_key,)
    live = () if stored.published is None else texts_in_auth(stored.published.auth)
    return (*texts_in_auth(stored.draft.auth), *live)


def resealed(stored: Secretive, sealer: Sealer) -> Secretive:
    """The same, with all that is sealed in it sealed with the first key; equal to `stored` if it was.

    Raises:
        SealedError: one of its secrets cannot be opened.
    """
    if isinstance(stored, SigningKey):
        sealed = sealer.reseal(stored.sealed_private_key, private_key_place(stored.id))
        return replace(stored, sealed_private_key=sealed)
    once: Reseal = cache(sealer.reseal)  # or a draft that is what is published would no longer be the same
    live = None if stored.published is None else _draft(stored.published, stored.id, once)
    return replace(stored, draft=_draft(stored.draft, stored.id, once), published=live)


def _draft(draft: Draft, integration_id: str, reseal: Reseal) -> Draft:
    if not isinstance(draft.auth, messages.MetaAuth):
        return draft
    place = messages.app_secret_place(integration_id)
    auth = replace(
        draft.auth,
        app_secrets=tuple(reseal(one, place) for one in draft.auth.app_secrets),
        verify_token=reseal(draft.auth.verify_token, messages.verify_token_place(integration_id)),
    )
    return replace(draft, auth=auth)
