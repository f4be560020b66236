"""Known vulnerabilities of what is locked: asks OSV (https://osv.dev) for every version in ``requirements/*.txt``.

It fails for what is known, unless ``pyproject.toml`` accepts it for now. Where OSV does not answer, as without a
network, nothing is known: it says so, and does not fail, because nobody can do anything about that.
"""

import argparse
import asyncio
import re
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import msgspec
from msgspec import Struct

from libs.escaping import escaped

_ROOT: Final = Path(__file__).parents[1]
_OSV: Final = "https://api.osv.dev"
_WITHIN_S: Final = 10.0
_PINNED: Final = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^\s;]+)", re.MULTILINE)


class Package(NamedTuple):
    """A version of a package of PyPI."""

    name: str
    version: str


class Accepted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vulnerability that somebody has looked at, why nothing is done about it, and until when that holds."""

    id: str
    reason: str
    until: date


class Vulnerability(Struct, frozen=True, kw_only=True):
    """As OSV tells it; the answer for many versions has only its id."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    withdrawn: str | None = None


class _Known(Struct, frozen=True, kw_only=True):
    vulns: tuple[Vulnerability, ...] = ()


class _Answer(Struct, frozen=True, kw_only=True):
    results: tuple[_Known, ...]


class NoAnswerError(Exception):
    """OSV did not answer, or not as it is described; nothing is known."""


def main() -> int:
    """Audit what is locked; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description="Look for known vulnerabilities.")
    parser.add_argument("--osv", default=_OSV, help="the address of OSV, or of a mirror of it")
    osv = parser.parse_args().osv
    locked, accepted = locked_packages(_ROOT / "requirements"), accepted_vulnerabilities(_ROOT / "pyproject.toml")
    try:
        found = asyncio.run(vulnerabilities(osv, locked))
    except NoAnswerError as error:
        sys.stderr.write(f"audit: {osv} does not answer ({error}): nothing is known of {len(locked)} packages\n")
        return 0
    faults = objections(found, accepted, datetime.now(UTC).date())
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    sys.stdout.write(f"audit: {len(locked)} packages, known vulnerabilities: {len(faults)}\n")
    return 1 if faults else 0


def locked_packages(folder: Path) -> list[Package]:
    """Every version that some file locks."""
    return sorted({Package(*found) for file in folder.glob("*.txt") for found in _PINNED.findall(file.read_text())})


def accepted_vulnerabilities(project: Path) -> list[Accepted]:
    """What is accepted for now."""
    tool = tomllib.loads(project.read_text())["tool"]
    return msgspec.convert(tool["inlet"]["accepted-vulnerabilities"], list[Accepted])


async def vulnerabilities(
    osv: str, packages: Sequence[Package], *, within_s: float = _WITHIN_S
) -> list[tuple[Package, Vulnerability]]:
    """What is known of these, and not withdrawn.

    Raises:
        NoAnswerError: see there.
    """
    queries = [{"package": {"name": one.name, "ecosystem": "PyPI"}, "version": one.version} for one in packages]
    async with httpx.AsyncClient(base_url=osv, timeout=within_s) as client:
        try:
            async with asyncio.timeout(within_s):
                answer = await client.post("/v1/querybatch", json={"queries": queries})
            results = msgspec.json.decode(answer.raise_for_status().content, type=_Answer).results
            known = list(zip(packages, results, strict=True))
        except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
            raise NoAnswerError(type(error).__name__) from error
        found = [(package, one) for package, result in known for one in result.vulns]
        told = await asyncio.gather(*(_told(client, one, within_s) for _, one in found))
    return [(package, one) for (package, _), one in zip(found, told, strict=True) if one.withdrawn is None]


async def _told(client: httpx.AsyncClient, known: Vulnerability, within_s: float) -> Vulnerability:
    """All that OSV tells of it; what is known anyway where it does not answer."""
    try:
        async with asyncio.timeout(within_s):
            answer = await client.get(f"/v1/vulns/{known.id}")
        return msgspec.json.decode(answer.raise_for_status().content, type=Vulnerability)
    except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError):
        return known


def objections(found: Sequence[tuple[Package, Vulnerability]], accepted: Sequence[Accepted], today: date) -> list[str]:
    """A line for each that is not accepted today."""
    return [
        escaped(f"{package.name} {package.version}: {', '.join((one.id, *one.aliases))}: {one.summary or '-'}")
        for package, one in found
        if not any(it.id in {one.id, *one.aliases} and today <= it.until for it in accepted)
    ]


if __name__ == "__main__":
    sys.exit(main())
