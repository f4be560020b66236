"""``python -m services ...`` in an environment that is not right: what went wrong, what to do, and no traceback."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from deploy.local.ports import LOOPBACK, free_port
from tests.integration.dead_letters.operators import ended
from tests.unit.ingress.credentials import MASTER_KEY

REPOSITORY = Path(__file__).parents[2]
NOWHERE = f"{LOOPBACK}:{free_port()}"


async def run(*arguments: str, **given: str) -> tuple[int, str]:
    """How a command ended, and all that it said; `given` are settings."""
    chosen = {f"INLET_{name.upper()}": value for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", *arguments),
        env=os.environ | chosen,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    answer = await ended(process)
    return answer.code, answer.out + answer.said


@pytest.mark.parametrize("command", [["topics"], ["rebuild-dedup"], ["dead-letters", "list"], ["reseal"]])
async def test_a_command_without_its_brokers_says_so_in_a_line(command: list[str]) -> None:
    code, said = await run(*command, kafka=NOWHERE, redis=f"redis://{NOWHERE}", master_key=MASTER_KEY)
    assert code == 1
    assert NOWHERE in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


async def test_a_setting_out_of_its_range_is_named() -> None:
    code, said = await run("topics", kafka=NOWHERE, partitions="0")
    assert code == 2
    assert said == "topics: INLET_PARTITIONS: Expected `int` >= 1\n"


@pytest.mark.parametrize("command", [["topics"], ["rebuild-dedup"], ["dead-letters", "list"], ["trigger"]])
async def test_an_address_of_kafka_that_is_none_is_a_wrong_setting(command: list[str]) -> None:
    code, said = await run(*command, kafka="kafka:9o92", redis=f"redis://{NOWHERE}")
    assert code == 2
    assert said == f"{command[0]}: INLET_KAFKA is not host:port, or several of them with commas between\n"


@pytest.mark.parametrize(
    ("command", "service"),
    [
        (["dead-letters", "list"], "config"),
        (["reseal"], "config"),
        (["rebuild-dedup"], "normalizer"),
        (["trigger"], "trigger"),
    ],
)
async def test_what_is_not_installed_names_what_it_needs(
    command: list[str], service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services").mkdir()
    for name in ("libs", "services/__init__.py", "services/__main__.py"):  # as in the image of another service
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    code, said = await run(*command)
    assert code == 2
    assert said.startswith(f"{command[0]}: not installed here (")
    assert f"requirements/{service}.txt" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("service", ["ingress", "normalizer", "trigger", "config"])
async def test_a_service_whose_port_is_taken_says_which_settings_choose_another(service: str, tmp_path: Path) -> None:
    others = {"redis": f"redis://{NOWHERE}", "master_key": MASTER_KEY, "database": f"sqlite:///{tmp_path / 'inlet.db'}"}
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        code, said = await run(service, kafka=NOWHERE, port=str(port), **others)
    assert code == 3
    assert f"('{LOOPBACK}', {port})" in said
    assert "INLET_HOST and INLET_PORT choose another" in said
    assert "serving http" not in said
    assert "Traceback" not in said


async def test_a_setting_that_is_almost_one_is_pointed_out(tmp_path: Path) -> None:
    code, said = await run("normalizer", kafak=NOWHERE, redis=f"redis://{NOWHERE}")
    assert code == 2
    assert said == "normalizer: INLET_KAFKA is not set; INLET_KAFAK is set: is INLET_KAFKA meant?\n"
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = str(listener.getsockname()[1])
        given = {"database": f"sqlite:///{tmp_path / 'inlet.db'}", "session_hour": "1", "master_key": MASTER_KEY}
        _, said = await run("config", kafka=NOWHERE, port=port, **given)
    assert "INLET_SESSION_HOUR is no setting, and nothing reads it: is INLET_SESSION_HOURS meant?" in said


async def test_the_file_of_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:  # so that it ends after it has made it
        port = str(listener.getsockname()[1])
        database = f"sqlite:///{tmp_path / 'inlet.db'}"
        await run("config", kafka=NOWHERE, port=port, database=database, master_key=MASTER_KEY)
    assert (tmp_path / "inlet.db").stat().st_mode & 0o077 == 0
