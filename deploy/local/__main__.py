"""``make run``: the stack with its demo, until Ctrl-C, with triggers shown as they appear."""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.local.demo import Admin, Demo, is_live, make_demo, sign_in
from deploy.local.process import ProcessFailedError
from deploy.local.rest import Rest, RestError
from deploy.local.settings import LocalSettings, PortError
from deploy.local.stack import Stack, keep_running, running_stack
from deploy.local.state import StateError, claimed, write_private
from deploy.local.triggers import new_triggers
from libs.settings import SettingsError, read

_BANNER = """
Inlet is ready.

  ingress     {file.ingress}
  console     {file.config}  ({who}; REST under /api/v1, OpenAPI at /schema)
  normalizer  {normalizer}
  trigger     {trigger}
  kafka       {file.kafka}
  redis       {file.redis}
  logs        {logs}

{demo}
Triggers appear below. Ctrl-C stops everything.
"""
_TRY_IT = """\
Try it; sent again, the same complaint is a duplicate (204):

curl --include '{url}' \\
  --header 'Content-Type: application/json' \\
  --data '{{"complaint": {{"id": "cmp-{now:%Y%m%d-%H%M%S}", "customer": {{"email": "jane.smith@example.com"}},
    "issueType": "product_defect", "priority": "high"}}, "source": "customer_support_portal"}}'
"""
_NO_DEMO = """\
The demo is gone, or not published. Make an integration in the console: its page has a curl to try.
"""


class StackFile(Struct, frozen=True, kw_only=True):
    """``stack.json``: where a running stack is. It is there while the stack is ready.

    `admin` is who was made at the first start; without `demo` there is none that is published.
    """

    ingress: str
    config: str
    kafka: str
    redis: str
    admin: Admin
    demo: Demo | None


def main() -> int:
    """Run until a signal; the process's exit code."""
    try:
        asyncio.run(_until_signal(read(LocalSettings)))
    except (SettingsError, StateError, PortError, ProcessFailedError, RestError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _until_signal(settings: LocalSettings) -> None:
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    run = asyncio.create_task(_run(settings))
    stop = asyncio.create_task(signalled.wait())
    await asyncio.wait({run, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not run.done():
        _say("stopping")
        run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    _say(f"stopped; the state stays in {settings.state}")


async def _run(settings: LocalSettings) -> None:
    state = settings.state
    stack_file = state / "stack.json"
    with claimed(state):
        settings.check_ports()
        # What the libraries say; aiokafka would say every attempt to reach a broker that is being restarted.
        (state / "logs").mkdir(exist_ok=True)
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        logging.basicConfig(filename=state / "logs" / "launcher.log", format="%(asctime)s %(name)s %(message)s")
        stack_file.unlink(missing_ok=True)
        try:
            async with running_stack(settings, _say) as stack:
                await _serve(stack, state)
        finally:
            stack_file.unlink(missing_ok=True)


async def _serve(stack: Stack, state: Path) -> None:
    admin = await sign_in(stack.url("config"), stack.admin)
    demo = await _demo(admin, state / "demo.json")
    file = StackFile(
        ingress=stack.url("ingress"),
        config=stack.url("config"),
        kafka=stack.kafka.address,
        redis=stack.redis.address,
        admin=stack.admin,
        demo=demo,
    )
    async with new_triggers(stack.kafka.address) as lines, asyncio.TaskGroup() as supervisors:
        for process in stack.processes:
            supervisors.create_task(keep_running(process, _say))
        write_private(state / "stack.json", msgspec.json.format(msgspec.json.encode(file)))
        banner = _BANNER.format(
            file=file,
            who=f"{stack.admin.email} / {stack.admin.password}" if admin else "sign in with what you have set there",
            normalizer=stack.url("normalizer"),
            trigger=stack.url("trigger"),
            logs=state / "logs",
            demo=_TRY_IT.format(url=demo.url, now=datetime.now().astimezone()) if demo else _NO_DEMO,
        )
        sys.stdout.write(f"{banner}\n")
        sys.stdout.flush()
        async for line in lines:
            _say(line)


async def _demo(admin: Rest | None, made: Path) -> Demo | None:
    """The demo if it is live. It is made once for a state folder; what authors do with it later stays as it is."""
    known = _read(made)
    if known is not None:
        return known if await is_live(known) else None
    if admin is None:
        return None
    demo = await make_demo(admin)
    write_private(made, msgspec.json.encode(demo))
    return demo


def _read(made: Path) -> Demo | None:
    return msgspec.json.decode(made.read_bytes(), type=Demo) if made.exists() else None


def _say(text: str) -> None:
    sys.stdout.write(f"{datetime.now().astimezone():%H:%M:%S}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
