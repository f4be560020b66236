"""The rules for sample captures: for ninety seconds the next request to an integration is kept for its author."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from libs.messages import RefusedSample, Sample
from services.config.definitions import Capture, CaptureState, messages_of
from services.config.errors import NotFoundError, UnavailableError
from services.config.identity import Identity
from services.config.integrations import existing_integration
from services.config.store.scope import Scope, Workspaces

CAPTURE_TIME: Final = timedelta(seconds=90)
# A sample that was received in time may still be on its way.
_GRACE: Final = timedelta(seconds=1)
_REFUSED_LIMIT: Final = 20

# A capture that is neither cancelled nor has its sample.
_OPEN: Final = ("armed", "timed_out")
_END_INTERVAL_S: Final = 2.0


class Captures:
    """What somebody may do with the captures of their workspace.

    Every call raises `NotFoundError` if the workspace has no such integration.
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def arm(self, by: Identity, integration_id: str) -> Capture:
        """Begin a new capture; what the one before has received is forgotten."""
        async with self._workspaces.changing(by) as scope:
            integration = await existing_integration(scope, integration_id)
            # A draft of a release before captures has never been announced.
            await scope.announce(messages_of(scope.workspace, integration))
            before = await scope.captures.get(integration_id)
            capture = Capture(
                id=integration_id,
                generation=before.generation + 1 if before else 1,
                state="armed",
                expires_at=scope.now + CAPTURE_TIME,
            )
            await scope.store("armed", before, capture)
        return capture

    async def get(self, by: Identity, integration_id: str) -> tuple[Capture, CaptureState]:
        """The last capture, and its state now.

        Raises:
            NotFoundError: there never was one.
        """
        async with self._workspaces.reading(by.workspace.id) as scope:
            capture = await _existing(scope, integration_id)
            return capture, state_of(capture, scope.now)

    async def cancel(self, by: Identity, integration_id: str) -> tuple[Capture, CaptureState]:
        """End it if it is armed; otherwise it stays as it is.

        Raises:
            NotFoundError: there never was one.
        """
        async with self._workspaces.changing(by) as scope:
            capture = await _existing(scope, integration_id)
            if state_of(capture, scope.now) == "armed":
                before, capture = capture, replace(capture, state="cancelled")
                await scope.store("cancelled", before, capture)
            return capture, state_of(capture, scope.now)

    async def note(self, samples: Sequence[Sample | RefusedSample]) -> None:
        """Take in what the ingress has seen. Doing so again changes nothing."""
        for sample in samples:
            workspace_id = await self._workspaces.of_integration(sample.integration_id)
            if workspace_id is None:
                continue
            async with self._workspaces.tending(workspace_id) as scope:
                before = await scope.captures.get(sample.integration_id)
                if before is not None and (after := noted(before, sample)) is not before:
                    await scope.store("received", before, after)

    async def run(self, is_active: Callable[[], bool]) -> None:
        """End what has timed out while this process `is_active`, until cancelled; also when the store is away."""
        while True:
            if is_active():
                with suppress(UnavailableError):  # the relay says so
                    await self.end_timed_out()
            await asyncio.sleep(_END_INTERVAL_S)

    async def end_timed_out(self) -> None:
        """Withdraw the captures whose time is over from the ingress, which has ignored them since."""
        for workspace_id in await self._workspaces.ids():
            async with self._workspaces.reading(workspace_id) as scope:
                armed = await scope.captures.all(state="armed")
                timed_out = [one.id for one in armed if state_of(one, scope.now) == "timed_out"]
            for integration_id in timed_out:
                async with self._workspaces.tending(workspace_id) as scope:
                    capture = await scope.captures.get(integration_id)
                    if capture is not None and capture.state != (state := state_of(capture, scope.now)):
                        await scope.store(state, capture, replace(capture, state=state))


def noted(capture: Capture, sample: Sample | RefusedSample) -> Capture:
    """The capture after one more sample: of another generation, or after the first accepted one, the same."""
    if capture.state not in _OPEN or sample.generation != capture.generation:
        return capture
    if datetime.fromisoformat(sample.received_at) > capture.expires_at + _GRACE:
        return capture  # its author was told that nothing came
    if isinstance(sample, Sample):
        return replace(capture, state="received", sample=sample)
    if sample in capture.refused or len(capture.refused) >= _REFUSED_LIMIT:
        return capture
    return replace(capture, refused=(*capture.refused, sample))


def state_of(capture: Capture, now: datetime) -> CaptureState:
    is_over = capture.state == "armed" and now > capture.expires_at + _GRACE
    return "timed_out" if is_over else capture.state


async def _existing(scope: Scope, integration_id: str) -> Capture:
    await existing_integration(scope, integration_id)
    capture = await scope.captures.get(integration_id)
    if capture is None:
        raise NotFoundError("Nothing was captured for this integration yet.")
    return capture
