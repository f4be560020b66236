"""What is sealed of what is stored, see `libs.sealing`."""

from libs import messages


def private_key_place(key_id: str) -> str:
    """What a private key is sealed for."""
    return f"signing-key/{key_id}"


def texts_in_auth(auth: messages.Auth) -> tuple[str, ...]:
    """Every sealed text in what is said of who may send."""
    return (*auth.app_secrets, auth.verify_token) if isinstance(auth, messages.MetaAuth) else ()
