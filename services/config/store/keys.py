"""Keys that are looked up without a workspace: a sender's login is what finds it."""

import re
from typing import Final

from sqlalchemy import Text, select, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.config.definitions import ApiKey, SigningKey
from services.config.store.schema import api_keys, integrations, signing_keys

_SEALED: Final = re.compile(r'(?:"|^)(v1\.[^"]*)')


async def find_api_key(connection: AsyncConnection, secret_sha256: str) -> tuple[str, ApiKey] | None:
    """The API key with this secret and the id of its workspace."""
    columns = [api_keys.c[name] for name in ApiKey.__struct_fields__]
    query = select(api_keys.c.workspace_id, *columns).where(api_keys.c.secret_sha256 == secret_sha256)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    return fields.pop("workspace_id"), ApiKey(**fields)


async def find_signing_key(connection: AsyncConnection, key_id: str) -> tuple[str, SigningKey] | None:
    """A signing key by its id and the id of its workspace."""
    columns = [signing_keys.c[name] for name in SigningKey.__struct_fields__]
    query = select(signing_keys.c.workspace_id, *columns).where(signing_keys.c.id == key_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    fields = row._asdict()
    return fields.pop("workspace_id"), SigningKey(**fields)


async def public_keys(connection: AsyncConnection) -> list[tuple[str, str]]:
    """Id and public key (PEM) of every signing key, of all workspaces."""
    rows = await connection.execute(select(signing_keys.c.id, signing_keys.c.public_key).order_by(signing_keys.c.id))
    return [(key_id, pem) for key_id, pem in rows]


async def sealed_texts(connection: AsyncConnection) -> list[str]:
    """Every sealed text that is stored, of all workspaces; see `libs.sealing`."""
    columns = (integrations.c.draft, integrations.c.published)
    documents = [select(column).where(column.like('%"v1.%')) for column in (type_coerce(one, Text) for one in columns)]
    rows = await connection.scalars(union_all(select(signing_keys.c.sealed_private_key), *documents))
    return [sealed for text in rows for sealed in _SEALED.findall(text)]
