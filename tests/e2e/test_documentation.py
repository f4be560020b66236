"""What authors are told to type, executed as it is written."""

import asyncio
import html
import os
import re
import subprocess
from pathlib import Path

from deploy.local.stack import Stack
from tests.e2e.author import Author
from tests.eventually import eventually

PAGE = Path(__file__).parents[2] / "docs/api.md"


BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
[SETUP] = re.findall(r"^```sh setup\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(*blocks: str, **given: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 the project's own page
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],  # noqa: S607 the page is for whatever bash there is
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_walk_through_the_api_works_as_written(stack: Stack) -> None:
    assert len(BLOCKS) == 13
    walk = run(*BLOCKS, CONFIG=stack.url("config"), EMAIL=stack.admin.email, PASSWORD=stack.admin.password)
    assert walk.returncode == 0, walk.stderr
    assert "OK" in walk.stdout


async def test_the_curl_of_the_console_works_as_shown_whatever_the_ports_are(stack: Stack, author: Author) -> None:
    key = (await author.http.post("/api-keys", json={"name": "x", "permissions": ["INCOMING_WEBHOOK_EXECUTE"]})).json()
    wanted: dict[str, object] = {"name": "curl", "auth": {"kind": "jwt", "apiKeyId": key["id"]}}
    integration = await author.post("/integrations", wanted)
    await author.post(f"/integrations/{integration.id}/publish")
    page = (await author.http.get(f"{stack.url('config')}/incoming/{integration.id}")).text
    [shown] = re.findall(r'<pre id="curl"[^>]*>(.*?)</pre>', page, re.DOTALL)
    command = html.unescape(shown).replace("YOUR API KEY", key["secret"])

    async def is_taken() -> bool:
        sent = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False
        )
        return "200 OK" in sent.stdout

    await eventually(is_taken, said="it never answered 200")


def test_a_mistake_on_the_way_ends_it_with_what_was_answered(stack: Stack) -> None:
    walk = run(*BLOCKS, CONFIG=stack.url("config"), EMAIL=stack.admin.email, PASSWORD="a mistake")
    assert walk.returncode != 0
    assert '"status":401' in walk.stderr
    assert "Traceback" not in walk.stderr
    assert "until " not in "".join(BLOCKS)  # what never comes is not waited for for ever


def test_the_walk_is_through_the_stack_that_was_started(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"config": "http://here", "admin": {"email": "a@b", "password": "p"}}')
    setup = run(SETUP, 'echo "$CONFIG $EMAIL $PASSWORD"', INLET_STATE_DIR=str(tmp_path))
    assert setup.stdout == "http://here a@b p\n", setup.stderr
