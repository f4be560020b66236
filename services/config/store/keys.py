"""Keys that are looked up without a workspace: a sender's login is what finds it."""

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from services.config.definitions import ApiKey, SigningKey
from services.config.sealed import texts_in_auth
from services.config.store.schema import api_keys, integrations, signing_keys


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
    """Every sealed text that is stored, of all workspaces; see `libs.sealing`.

    By their places: what authors write, such as a name, may look like one.
    """
    found = [*await connection.scalars(select(signing_keys.c.sealed_private_key))]
    for column in (integrations.c.draft, integrations.c.published):
        drafts = await connection.scalars(select(column).where(type_coerce(column, Text).like('%"v1.%')))
        found += [sealed for draft in drafts for sealed in texts_in_auth(draft.auth)]
    return found
