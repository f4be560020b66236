"""The settings of the control plane."""

from libs.settings import Port, ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """``INLET_*``; the administrator is read at the first start only, when there is no user yet.

    `database` is ``sqlite:///<file>`` or ``postgresql://...``; `ingress_url` is where senders reach the ingress.
    Without `admin_password` one is generated and printed once.
    """

    port: Port = 8081
    database: str = "sqlite:///inlet.db"
    ingress_url: str = "http://127.0.0.1:8080"
    admin_email: str = "admin@localhost"
    admin_password: str = ""
    session_hours: int = 12
