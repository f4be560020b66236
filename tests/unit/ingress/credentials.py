"""What senders prove themselves with, as the config service and Meta make it."""

import hmac
import time
from collections import defaultdict

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from libs.messages import ApiKey, MetaAuth, SigningKey, app_secret_place, verify_token_place
from libs.sealing import Sealer
from libs.tokens import EXECUTE

WORKSPACE = "w"
MASTER_KEY = "0123456789abcdef0123456789abcdef0123456789A="
SEALER = Sealer(MASTER_KEY)
VERIFY_TOKEN = "a token of the owner's choice"


_KEYS: defaultdict[str, RSAPrivateKey] = defaultdict(lambda: generate_private_key(public_exponent=65537, key_size=2048))


def private_key(name: str) -> RSAPrivateKey:
    """The private key of this name, the same for the whole run."""
    return _KEYS[name]


def pem(name: str) -> str:
    public = private_key(name).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signing_key(name: str, workspace: str = WORKSPACE) -> SigningKey:
    return SigningKey(id=name, workspace=workspace, public_key=pem(name))


def api_key(identifier: str, **changed: object) -> ApiKey:
    return replace(ApiKey(id=identifier, workspace=WORKSPACE, permissions=(EXECUTE,)), **changed)


def token(
    api_key_id: str,
    kid: str | None = "k1",
    *,
    signer: str = "k1",
    algorithm: str = "RS512",
    without: str = "",
    **changed: object,
) -> str:
    """A token that is good for an hour, with other claims or without one of them."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": "inlet",
        "sub": api_key_id,
        "iat": now,
        "exp": now + 3600,
        "jti": "j",
        **changed,
    }
    claims.pop(without, None)
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims, private_key(signer), algorithm=algorithm, headers=headers)


def meta_auth(integration_id: str, *app_secrets: str, split_batches: bool = False) -> MetaAuth:
    place = app_secret_place(integration_id)
    return MetaAuth(
        app_secrets=tuple(SEALER.seal(secret.encode(), place) for secret in app_secrets),
        verify_token=SEALER.seal(VERIFY_TOKEN.encode(), verify_token_place(integration_id)),
        split_batches=split_batches,
    )


def signature(body: bytes, app_secret: str) -> str:
    return "sha256=" + hmac.new(app_secret.encode(), body, "sha256").hexdigest()
