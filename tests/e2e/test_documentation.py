"""The walk through the API, executed as it is written."""

import os
import re
import subprocess
from pathlib import Path

from deploy.local.stack import Stack

PAGE = Path(__file__).parents[2] / "docs/api.md"


def test_the_walk_through_the_api_works_as_written(stack: Stack) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 13
    given = {"CONFIG": stack.url("config"), "EMAIL": stack.admin.email, "PASSWORD": stack.admin.password}
    walk = subprocess.run(  # noqa: S603 the project's own page
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],  # noqa: S607 the page is for whatever bash there is
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert walk.returncode == 0, walk.stderr
    assert "OK" in walk.stdout
