"""Integrations, keys and Business Events as the config service publishes them, written straight to the topic."""

import base64
import random
import time
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import jwt
import msgspec
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.matching import rules
from libs import topics
from libs.filters import Filter, to_source
from libs.messages import (
    ApiKey,
    Auth,
    BusinessEvent,
    Deduplication,
    Definition,
    Integration,
    JwtAuth,
    MetaAuth,
    NoAuth,
    SigningKey,
    app_secret_place,
    definition_key,
    verify_token_place,
)
from libs.sealing import Sealer
from libs.tokens import ALGORITHM, EXECUTE, ISSUER, TokenClaims

MASTER_KEY: Final = base64.b64encode(bytes(32)).decode()
APP_SECRET: Final = b"0123456789abcdef0123456789abcdef"
UNIQUE: Final = "body.id"
_WORKSPACE: Final = str(UUID(int=1))
_API_KEY: Final = str(UUID(int=2))
_SIGNING_KEY: Final = "bench"


def integration(number: int, auth: Auth | None = None, *, deduplicates: bool = False) -> Integration:
    """A published integration, by its number; without authentication unless another is given."""
    return Integration(
        id=str(UUID(int=1_000_000 + number)),
        workspace=_WORKSPACE,
        name=f"Integration {number}",
        version=1,
        auth=auth or NoAuth(),
        deduplication=Deduplication(parameters=(UNIQUE,)) if deduplicates else None,
    )


def of_meta(number: int) -> Integration:
    """One that deduplicates, and takes what is signed with `APP_SECRET`."""
    sealer, plain = Sealer(MASTER_KEY), integration(number)
    auth = MetaAuth(
        app_secrets=(sealer.seal(APP_SECRET, app_secret_place(plain.id)),),
        verify_token=sealer.seal(b"verify", verify_token_place(plain.id)),
    )
    return integration(number, auth, deduplicates=True)


def of_tokens(number: int) -> Integration:
    """One that takes the tokens of `token_and_keys`."""
    return integration(number, JwtAuth(api_key_id=_API_KEY))


def token_and_keys() -> tuple[str, list[Definition]]:
    """A token, and the definitions by which it is good."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    now = int(time.time())
    claims = TokenClaims(iss=ISSUER, sub=_API_KEY, iat=now, exp=now + 24 * 3600, jti="bench")
    token = jwt.encode(msgspec.to_builtins(claims), private, ALGORITHM, {"kid": _SIGNING_KEY})
    return token, [
        ApiKey(id=_API_KEY, workspace=_WORKSPACE, permissions=(EXECUTE,)),
        SigningKey(id=_SIGNING_KEY, workspace=_WORKSPACE, public_key=public),
    ]


def business_events(owner: Integration, filters: Iterable[Filter]) -> Iterator[BusinessEvent]:
    """One active Business Event of an integration for each filter."""
    first = UUID(owner.id).int << 32
    for number, where in enumerate(filters):
        yield BusinessEvent(
            id=str(UUID(int=first + number)),
            workspace=_WORKSPACE,
            name=f"Rule {number}",
            version=1,
            integration_id=owner.id,
            state="active",
            where=to_source(where),
        )


def many(owner: Integration, count: int, *, mixed: bool) -> Iterator[BusinessEvent]:
    """So many, of which an event of `bench.matching` satisfies about two."""
    return business_events(owner, rules(count, random.Random(count), mixed=mixed))  # noqa: S311


async def publish(bootstrap: str, definitions: Iterable[Definition]) -> None:
    """Return when all are durable."""
    await _write(bootstrap, ((definition_key(one), msgspec.json.encode(one)) for one in definitions))


async def withdraw(bootstrap: str, definitions: Iterable[Definition]) -> None:
    """Delete them."""
    await _write(bootstrap, ((definition_key(one), None) for one in definitions))


async def _write(bootstrap: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5) as producer:
        sent = [await producer.send(topics.DEFINITIONS, value, key) for key, value in records]
        for future in sent:
            await future
