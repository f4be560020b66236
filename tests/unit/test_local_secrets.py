"""The secrets that a local stack makes once."""

from pathlib import Path

from deploy.local.settings import remembered_secrets
from libs.sealing import Sealer


def test_secrets_are_made_once_and_are_fit_for_use(tmp_path: Path) -> None:
    made = remembered_secrets(tmp_path)
    assert remembered_secrets(tmp_path) == made
    assert Sealer(made.master_key).seal(b"secret", "place")
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_secrets_of_a_release_that_had_fewer_are_completed(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"adminPassword": "from before"}')
    completed = remembered_secrets(tmp_path)
    assert completed.admin_password == "from before"
    assert remembered_secrets(tmp_path) == completed
