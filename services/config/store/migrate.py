"""The tables brought up to date at start."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


class LaterTablesError(Exception):
    """The tables are those of a later release."""


def upgrade(connection: Connection) -> None:
    """Apply what is missing, in the caller's transaction: all of it or nothing.

    Raises:
        LaterTablesError: this release does not know them.
    """
    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, "head")
    except CommandError as error:
        message = f"the tables are those of a later release ({error}): start that one, or restore a backup"
        raise LaterTablesError(message) from error
