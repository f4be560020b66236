"""Definitions compiled as the ingress does it, under a master key of the tests."""

from typing import Final

from libs.definitions import Changes
from services.ingress.snapshot import EMPTY, Compiler, Routes
from tests.unit.ingress.credentials import SEALER

COMPILER: Final = Compiler(SEALER)


def published(changes: Changes) -> Routes:
    """The routes of what is published after these changes and no others."""
    return COMPILER.updated(EMPTY, changes).published
