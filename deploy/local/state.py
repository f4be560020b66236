"""The folder with everything the local stack remembers: one launcher at a time, private files, and forgetting it.

``python3 -m deploy.local.state FOLDER`` forgets it; only the standard library is needed for that.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# Locked while a launcher runs. Its presence also says that the folder is Inlet's and may be removed.
_LOCK: Final = "launcher.lock"


class StateError(Exception):
    """The folder cannot be used; the message says why and what to do."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the folder, made if need be, for one launcher.

    Raises:
        StateError: another launcher holds it, or it has files that are not Inlet's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = folder / _LOCK
    if not lock.exists() and any(folder.iterdir()):
        raise StateError(f"{folder} is not empty and not Inlet's: set INLET_STATE_DIR to another folder")
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(f"{folder} is in use: stop the stack that runs there first") from error
        yield


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once, readable by its owner only."""
    draft = path.with_suffix(".draft")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def forget(folder: Path) -> None:
    """Remove the folder.

    Raises:
        StateError: a launcher holds it, or it is not Inlet's.
    """
    if folder.exists():
        with claimed(folder):
            shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        forget(Path(sys.argv[1]))
    except StateError as error:
        sys.exit(str(error))
