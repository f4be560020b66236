"""The trigger service, wired."""

from libs import topics
from libs.definitions import DefinitionsView
from libs.exactly_once.outcomes import Stage
from libs.exactly_once.runner import ExactlyOnce
from libs.lifecycle import Lifecycle, Service
from libs.messages import Trigger
from services.trigger.handlers import Matching, count
from services.trigger.rules import KINDS, Rules
from services.trigger.settings import Settings

__all__ = ["Settings", "build"]


def build(settings: Settings) -> Service:
    """Wire the service. Nothing is connected before the application starts."""
    lifecycle = Lifecycle()
    rules = Rules()
    view = DefinitionsView(settings.kafka, rules.apply, KINDS)

    async def follow_definitions() -> None:
        lifecycle.spawn("definitions", view.run())

    async def definitions_loaded() -> bool:
        return view.ready

    stage = Stage(
        service="trigger",
        topic=topics.EVENTS,
        step=Matching(rules, view.reach).step,
        committed=count,
        # Without its Business Events an event would pass as one that matches nothing.
        ready=rules.loaded.wait,
    )
    application = ExactlyOnce(stage, settings, lifecycle).application(
        ready={"definitions": definitions_loaded},
        writes={topics.TRIGGERS: Trigger},
        on_startup=[follow_definitions],
    )
    return Service(application, lifecycle)
