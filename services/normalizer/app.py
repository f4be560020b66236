"""The normalizer, wired."""

from datetime import timedelta

from libs import topics
from libs.claims import RedisClaims
from libs.exactly_once.outcomes import Decider, Stage
from libs.exactly_once.runner import ExactlyOnce
from libs.lifecycle import Lifecycle, Service
from libs.messages import Event
from libs.redis import redis_client
from services.normalizer.handlers import Normalizer, count
from services.normalizer.settings import Settings

__all__ = ["Settings", "build"]


def build(settings: Settings) -> Service:
    """Wire the service. Nothing is connected before the application starts."""
    lifecycle = Lifecycle()
    redis = redis_client(settings.redis, settings.redis_timeout_s)
    claims = RedisClaims(redis, timedelta(seconds=settings.deduplication_window_s))

    async def claims_answer() -> bool:
        await claims.ping()
        return True

    stage = Stage(service="normalizer", topic=topics.REQUESTS, step=Normalizer(claims, Decider()).step, committed=count)
    application = ExactlyOnce(stage, settings, lifecycle).application(
        ready={"redis": claims_answer}, writes={topics.EVENTS: Event}, after_shutdown=[redis.aclose]
    )
    return Service(application, lifecycle)
