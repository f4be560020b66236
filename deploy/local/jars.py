"""Kafka's jars: fetched from Maven Central by jgo, checked against the hashes in ``kafka-jars.lock``.

``python -m deploy.local.jars`` fetches them, ``python -m deploy.local.jars lock`` writes the lock anew. They are
kept where Maven keeps them (``~/.m2/repository``, or ``M2_REPO``), so they outlive ``make clean``.
"""

import fcntl
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from jgo.maven import Artifact, MavenContext

KAFKA_VERSION: Final = "4.2.2"
# kafka-clients is named as well: from kafka alone jgo resolves an older one.
_COORDINATES: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j2-impl:2.26.1",
)
_LOCK: Final = Path(__file__).with_name("kafka-jars.lock")
_TIMEOUT_S: Final = 60


class Jar(NamedTuple):
    """One line of the lock: ``group:artifact:version sha256``."""

    artifact: Artifact
    sha256: str

    def is_kept(self) -> bool:
        path = self.artifact.cached_path
        return path is not None and path.exists() and _sha256(path) == self.sha256

    def fetch(self) -> None:
        """Download it, over whatever an interrupted download has left.

        Raises:
            OSError: it cannot be had, or is not the one that was locked.
        """
        if self.artifact.cached_path is not None:
            self.artifact.cached_path.unlink(missing_ok=True)
        try:
            self.artifact.resolve()
        except (OSError, RuntimeError) as error:
            raise OSError(f"cannot fetch {self.artifact}: {error}") from error
        if not self.is_kept():
            raise OSError(f"the {self.artifact} that was fetched is not the locked one")


def fetch_jars(say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """The jars of the lock; `say` hears of progress if any have to be fetched.

    Raises:
        OSError: a jar cannot be had, or is not the one that was locked.
    """
    context = MavenContext(timeout=_TIMEOUT_S)
    with _one_at_a_time(context.repo_cache):
        jars = [_locked(context, line) for line in _LOCK.read_text().splitlines()]
        missing = [jar for jar in jars if not jar.is_kept()]
        with ThreadPoolExecutor(max_workers=8) as pool:
            try:
                _fetch_all(pool, missing, say)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    return [jar.artifact.resolve() for jar in jars]


def _fetch_all(pool: Executor, missing: Sequence[Jar], say: Callable[[str], None]) -> None:
    fetched = as_completed([pool.submit(jar.fetch) for jar in missing])
    for count, jar in enumerate(fetched, start=1):
        jar.result()
        if count % 10 == 0 or count == len(missing):
            say(f"Kafka {KAFKA_VERSION}: {count} of {len(missing)} jars fetched")


def _locked(context: MavenContext, line: str) -> Jar:
    coordinate, sha256 = line.split()
    return Jar(context.create_dependency(coordinate).artifact, sha256)


def _write_lock() -> None:
    context = MavenContext(timeout=_TIMEOUT_S)
    named, others = context.resolver.resolve([context.create_dependency(name) for name in _COORDINATES])
    artifacts = [dependency.artifact for dependency in (*named, *others)]
    _LOCK.write_text(
        "".join(sorted(f"{one.groupId}:{one.artifactId}:{one.version} {_sha256(one.resolve())}\n" for one in artifacts))
    )


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep two launchers from writing the same jar."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".inlet.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        _write_lock()
    else:
        fetch_jars(print)
