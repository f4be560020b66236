"""The settings of the control plane."""

from typing import Annotated

from msgspec import Meta

from libs.settings import Port, ServerSettings


class Settings(ServerSettings, frozen=True, kw_only=True):
    """``INLET_*``; the administrator is read at the first start only, when there is no user yet.

    `database` is ``sqlite:///<file>`` or ``postgresql://...``; `ingress_url` is where senders reach the ingress,
    `config_url` where authors reach this service: behind ``https://`` a session's cookie is never sent without it.
    Without `admin_password` one is generated and printed once. `master_key` is what secrets are sealed under, the same
    as the ingress's: see `libs.sealing`.
    """

    port: Port = 8081
    master_key: str
    database: str = "sqlite:///inlet.db"
    ingress_url: str = "http://127.0.0.1:8080"
    config_url: str = "http://127.0.0.1:8081"
    admin_email: str = "admin@localhost"
    admin_password: str = ""
    session_hours: int = 12
    # Of the tokens that senders make from an API key.
    token_minutes: Annotated[int, Meta(ge=1, le=24 * 60)] = 60
    # The age at which a signing key gets its successor.
    signing_key_days: Annotated[int, Meta(ge=1)] = 30
