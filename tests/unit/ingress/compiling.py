"""Definitions compiled as the ingress does it, under a master key of the tests."""

import base64
from typing import Final

from libs.definitions import Changes
from libs.sealing import Sealer
from services.ingress.snapshot import EMPTY, Compiler, Routes

MASTER_KEY: Final = base64.b64encode(bytes(range(32))).decode()
SEALER: Final = Sealer(MASTER_KEY)
COMPILER: Final = Compiler(SEALER)


def published(changes: Changes) -> Routes:
    """The routes of what is published after these changes and no others."""
    return COMPILER.updated(EMPTY, changes).published
