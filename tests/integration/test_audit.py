"""The audit of what is locked, with an OSV of its own."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.audit import (
    Accepted,
    NoAnswerError,
    Package,
    Vulnerability,
    accepted_vulnerabilities,
    locked_packages,
    objections,
    vulnerabilities,
)
from deploy.local.ports import LOOPBACK, free_port
from tests.integration.dead_letters.operators import Answer, ended

ROOT = Path(__file__).parents[2]
PACKAGES = [Package("jinja2", "3.1.2"), Package("uvicorn", "0.38.0")]
DETAILS = {"id": "GHSA-1", "aliases": ["CVE-2099-1"], "summary": "It lets everybody in", "withdrawn": None}

Answering = Callable[[str, Any], bytes | None]


@asynccontextmanager
async def osv(answer: Answering) -> AsyncIterator[str]:
    """Its address; `answer` makes a body from path and document, b"" being a failure and None no answer at all."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        document = await reader.readexactly(int(length[1])) if length else b"null"
        body = answer(head.split()[1], msgspec.json.decode(document))
        if body is None:
            await over.wait()
        else:
            status = b"200 OK" if body else b"500 Internal Server Error"
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)
            )
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        over.set()


def knowing(name: str, details: Mapping[str, object] | None = DETAILS) -> Answering:
    """Of this package a vulnerability, with these details, and of no other."""

    def answer(path: str, asked: Any) -> bytes:  # noqa: ANN401  JSON
        if path != "/v1/querybatch":
            return b"" if details is None else msgspec.json.encode(details)
        names = [one["package"]["name"] for one in asked["queries"]]
        return msgspec.json.encode({"results": [{"vulns": [{"id": "GHSA-1"}]} if one == name else {} for one in names]})

    return answer


async def audited(address: str) -> Answer:
    """How the command ended on what is locked here."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.audit", "--osv", address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await ended(process)


async def test_what_is_known_of_a_locked_package_is_shown_and_fails() -> None:
    async with osv(knowing("msgspec")) as address:
        answer = await audited(address)
    assert answer.code == 1
    assert re.match(r"msgspec [0-9.]+: GHSA-1, CVE-2099-1: It lets everybody in\n", answer.out)


async def test_where_nothing_is_known_it_succeeds() -> None:
    async with osv(knowing("a package that nobody locks")) as address:
        answer = await audited(address)
    assert answer.code == 0
    assert answer.out.endswith("known vulnerabilities: 0\n")


async def test_where_nobody_answers_it_says_so_in_a_line_and_does_not_fail() -> None:
    address = f"http://{LOOPBACK}:{free_port()}"
    answer = await audited(address)
    assert answer.code == 0
    assert answer.out == ""
    assert re.fullmatch(
        rf"audit: {address} does not answer \(ConnectError\): nothing is known of \d+ packages\n", answer.said
    )


@pytest.mark.parametrize("body", [None, b"", b"<html>", b"{}", b'{"results": []}'])
async def test_an_answer_that_does_not_come_or_tells_nothing_is_none(body: bytes | None) -> None:
    async with osv(lambda _path, _asked: body) as address:
        with pytest.raises(NoAnswerError):
            await vulnerabilities(address, PACKAGES, within_s=0.5)


async def test_what_is_known_is_found_although_its_details_are_not_told() -> None:
    async with osv(knowing("jinja2", None)) as address:
        assert await vulnerabilities(address, PACKAGES) == [(PACKAGES[0], Vulnerability(id="GHSA-1"))]


async def test_what_was_withdrawn_is_passed_over() -> None:
    async with osv(knowing("jinja2", {**DETAILS, "withdrawn": "2026-01-31T00:00:00Z"})) as address:
        assert await vulnerabilities(address, PACKAGES) == []


@pytest.mark.parametrize("known_as", ["GHSA-1", "CVE-2099-1"])
def test_what_is_accepted_is_passed_over_until_its_day(known_as: str) -> None:
    found = [(PACKAGES[0], Vulnerability(id="GHSA-1", aliases=("CVE-2099-1",)))]
    accepted = [Accepted(id=known_as, reason="it is never called", until=date(2026, 1, 31))]
    assert objections(found, accepted, date(2026, 1, 31)) == []
    assert len(objections(found, accepted, date(2026, 2, 1))) == 1


def test_what_is_accepted_has_a_reason_and_a_day(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.inlet]\naccepted-vulnerabilities = [{id = "GHSA-1"}]')
    with pytest.raises(msgspec.ValidationError, match="reason"):
        accepted_vulnerabilities(project)
    assert all(one.reason for one in accepted_vulnerabilities(ROOT / "pyproject.toml"))


def test_every_version_that_is_locked_is_looked_up() -> None:
    lines = {
        line.partition(" ")[0]
        for file in (ROOT / "requirements").glob("*.txt")
        for line in file.read_text().splitlines()
        if line[:1].isalnum()
    }
    assert len(lines) > 50
    assert len(locked_packages(ROOT / "requirements")) == len(lines)
