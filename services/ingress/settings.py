"""The ingress's settings. Times are seconds, sizes bytes."""

from typing import Annotated

from msgspec import Meta

from libs.bodies import BODY_BYTES_LIMIT
from libs.claims import WINDOW
from libs.settings import Bytes, Port, Seconds, ServerSettings


class Settings(ServerSettings, frozen=True, kw_only=True):
    """Where the ingress listens and connects, and how long and how much it puts up with."""

    port: Port = 8080
    redis: str
    # What secrets in the definitions are sealed under; the same as the config service's.
    master_key: str
    # How many ingress processes share the rate limits of integrations.
    replicas: Annotated[int, Meta(ge=1)] = 1
    body_limit_bytes: Annotated[int, Meta(gt=0, le=BODY_BYTES_LIMIT)] = BODY_BYTES_LIMIT
    # Between two pieces of a body, and for all of it.
    body_idle_timeout_s: Seconds = 10
    body_timeout_s: Seconds = 60
    # How long a sender waits for Kafka to confirm; after that the answer is 503 and the outcome unknown.
    produce_timeout_s: Seconds = 5
    # For connecting and for one call. A request makes at most two calls, each may queue behind another.
    redis_timeout_s: Seconds = 1
    # Requests that Kafka has not confirmed; beyond this the answer is 503 at once.
    pending_limit_bytes: Bytes = 64 * 1024 * 1024
    # Of all requests that are not answered, what has come of their heads and bodies; beyond this the answer is 503.
    intake_limit_bytes: Bytes = 128 * 1024 * 1024
    # Connections beyond this are answered 503 and closed. Each costs some 20 KiB while it is idle.
    connections_limit: Annotated[int, Meta(ge=1)] = 10_000
    # From the last request with a hash. The normalizer's must be the same.
    deduplication_window_s: Seconds = WINDOW.total_seconds()
