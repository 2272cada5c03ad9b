"""The SMTP server that mail goes through: where its settings come from, and whether there are any."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import current_app


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The SMTP server, and what mail from this server says about its origin.

    ``url`` is this server's URL, which the links in mail begin with.
    """

    host: str
    port: int
    tls: str
    username: str
    password: str = field(repr=False)
    from_address: str
    url: str

    @property
    def domain(self) -> str:
        """The host of this server's URL, for message ids and as the name that it introduces itself with."""
        return urlsplit(self.url).hostname or "localhost"

    @property
    def sender(self) -> str:
        """The From header."""
        return self.from_address or f"Checkend <checkend@{self.domain}>"


def current_settings() -> MailSettings | None:
    """Return the settings of the current app; None if no SMTP server is set."""
    config = current_app.config
    if not config["MAIL_HOST"]:
        return None
    return MailSettings(
        host=config["MAIL_HOST"],
        port=config["MAIL_PORT"],
        tls=config["MAIL_TLS"],
        username=config["MAIL_USERNAME"],
        password=config["MAIL_PASSWORD"],
        from_address=config["MAIL_FROM"],
        url=config["URL"],
    )


def is_configured() -> bool:
    """Return whether the current app can send mail.

    It requires ``URL`` for the links: one built from the ``Host`` header of a request could lead to the site of an
    attacker.
    """
    return bool(current_app.config["URL"] and current_app.config["MAIL_HOST"])
