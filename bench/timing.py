"""What a stranger can tell by a clock: pairs of refusals that must look the same, each many times and in turns.

Run it with ``python -m bench.timing [times]``. It measures in the process, where no network hides anything.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from libs.messages import DraftIntegration, Integration, NoAuth
from services.config.accounts import Accounts
from services.config.errors import UnauthenticatedError
from services.config.passwords import Passwords
from services.config.store.database import Database
from tests.unit.ingress.asgi import chunk
from tests.unit.ingress.credentials import meta_auth, signature
from tests.unit.ingress.test_endpoint import ID, UNKNOWN, Server

TIMES: Final = 2000
LOGINS: Final = 30
DRAFT: Final = "31234567-89ab-cdef-0123-456789abcdef"
BODY: Final = b'{"id":1}'
EMAIL: Final = "admin@example.com"

Attempt = Callable[[int], Awaitable[object]]


async def compare(what: str, times: int, attempts: Mapping[str, Attempt]) -> None:
    took: dict[str, list[float]] = {name: [] for name in attempts}
    for number in range(times):
        for name, attempt in attempts.items():
            began = time.perf_counter()
            await attempt(number)
            took[name].append((time.perf_counter() - began) * 1e6)
    print(f"{what}, {times} times each")  # noqa: T201
    for name, some in took.items():
        low, median, high = statistics.quantiles(some, n=4)
        print(f"  {name:32} median {median:10,.1f} us, half of them {low:,.1f} to {high:,.1f}")  # noqa: T201


async def senders(times: int) -> None:
    server = Server()
    await server.snapshot.apply(
        {
            f"integration/{ID}": Integration(
                id=ID, workspace="w", name="n", version=1, auth=meta_auth(ID, "new", "old")
            ),
            f"draft/{DRAFT}": DraftIntegration(id=DRAFT, workspace="w", name="n", version=1, auth=NoAuth()),
        }
    )

    def sent(of: str, given: bytes = b"") -> Attempt:
        headers = ((b"content-type", b"application/json"), (b"x-hub-signature-256", given))

        async def attempt(_number: int) -> object:
            return await server.answer(chunk(BODY, last=True), of=of, headers=headers)

        return attempt

    await compare("An id", times, {"of nothing": sent(UNKNOWN), "of a draft": sent(DRAFT)})
    good = signature(BODY, "other").encode()
    almost = signature(BODY, "new").encode()[:-1] + b"x"
    await compare(
        "A signature", times, {"that is wrong from the start": sent(ID, good), "but for its end": sent(ID, almost)}
    )


def _now() -> datetime:
    return datetime.now(UTC)


async def logins(times: int, folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'inlet.db'}")
    accounts = Accounts(database, Passwords(), session_lifetime=timedelta(hours=1), now=_now)
    await database.set_up(lambda: accounts.set_up(EMAIL, "correct horse battery"))

    def guess(email: str) -> Attempt:
        async def attempt(number: int) -> None:
            with suppress(UnauthenticatedError):
                await accounts.log_in(email, "wrong", f"203.0.113.{number}")

        return attempt

    await compare("A login", times, {"with a wrong password": guess(EMAIL), "of nobody": guess("nobody@example.com")})
    await database.close()


async def main(times: int) -> None:
    await senders(times)
    with tempfile.TemporaryDirectory() as folder:
        await logins(min(times, LOGINS), Path(folder))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else TIMES))
