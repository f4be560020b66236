"""The normalizer's settings. Times are seconds."""

from libs.claims import WINDOW
from libs.settings import Port, Seconds, ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Where the normalizer connects, and how long a hash is remembered."""

    port: Port = 8082
    redis: str
    # For connecting and for one call. What fails is repeated with its whole portion.
    redis_timeout_s: Seconds = 2
    # From the last request with a hash. The ingress's must be the same.
    deduplication_window_s: Seconds = WINDOW.total_seconds()
