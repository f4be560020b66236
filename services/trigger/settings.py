"""The trigger service's settings."""

from libs.settings import Port, ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Where the trigger service listens and connects."""

    port: Port = 8083
