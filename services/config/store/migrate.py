"""The tables brought up to date at start."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade(connection: Connection) -> None:
    """Apply what is missing, in the caller's transaction: all of it or nothing.

    Raises:
        CommandError: the tables are those of a later release.
    """
    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
