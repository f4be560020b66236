"""The rules for sample captures: for ninety seconds the next request to an integration is kept for its author."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec.structs import replace

from libs.messages import RefusedSample, Sample
from services.config.definitions import Capture, messages_of
from services.config.errors import NotFoundError
from services.config.identity import Identity
from services.config.integrations import existing_integration
from services.config.store.scope import Scope, Workspaces

CAPTURE_TIME: Final = timedelta(seconds=90)
# A sample that was received in time may still be on its way.
_GRACE: Final = timedelta(seconds=1)
_REFUSED_LIMIT: Final = 20

State = Literal["armed", "received", "timed_out", "cancelled"]


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

    async def get(self, by: Identity, integration_id: str) -> tuple[Capture, State]:
        """The last capture, and its state now.

        Raises:
            NotFoundError: there never was one.
        """
        async with self._workspaces.reading(by.workspace.id) as scope:
            capture = await _existing(scope, integration_id)
            return capture, state_of(capture, scope.now)

    async def cancel(self, by: Identity, integration_id: str) -> tuple[Capture, State]:
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


def noted(capture: Capture, sample: Sample | RefusedSample) -> Capture:
    """The capture after one more sample: of another generation, or after the first accepted one, the same."""
    if capture.state != "armed" or sample.generation != capture.generation:
        return capture
    if datetime.fromisoformat(sample.received_at) > capture.expires_at + _GRACE:
        return capture  # its author was told that nothing came
    if isinstance(sample, Sample):
        return replace(capture, state="received", sample=sample)
    if sample in capture.refused or len(capture.refused) >= _REFUSED_LIMIT:
        return capture
    return replace(capture, refused=(*capture.refused, sample))


def state_of(capture: Capture, now: datetime) -> State:
    is_over = capture.state == "armed" and now > capture.expires_at + _GRACE
    return "timed_out" if is_over else capture.state


async def _existing(scope: Scope, integration_id: str) -> Capture:
    await existing_integration(scope, integration_id)
    capture = await scope.captures.get(integration_id)
    if capture is None:
        raise NotFoundError("Nothing was captured for this integration yet.")
    return capture
