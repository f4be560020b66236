"""Definitions compiled as the ingress does it, under a master key of the tests."""

from typing import Final

from libs.definitions import Changes
from services.ingress.snapshot import EMPTY, Compiler, Routes
from services.ingress.tally import Tallies
from tests.unit.ingress.credentials import SEALER

COMPILER: Final = Compiler(SEALER, Tallies())


def published(changes: Changes) -> Routes:
    """The routes of what is published after these changes and no others."""
    return COMPILER.updated(EMPTY, changes).published
