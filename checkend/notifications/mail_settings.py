"""The SMTP server that mail goes through: from the configuration if it names one, else from the dashboard."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import current_app

from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.models import StoredMailSettings, audit_log
from checkend.notifications.encryption import SecretBox, secret_box
from checkend.notifications.outbound_policy import OutboundPolicy

OWNER = "the mail settings"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The SMTP server, and what mail from this server says about its origin.

    ``url`` is this server's URL, which the links in mail begin with. ``policy`` limits the addresses that the host may
    have; None for a host from the configuration, which whoever runs the server may set as they like.
    """

    host: str
    port: int
    tls: str
    username: str
    password: str = field(repr=False)
    from_address: str
    url: str
    policy: OutboundPolicy | None = None

    @property
    def domain(self) -> str:
        """The host of this server's URL, for message ids and as the name that it introduces itself with."""
        return urlsplit(self.url).hostname or "localhost"

    @property
    def sender(self) -> str:
        """The From header."""
        return self.from_address or default_sender(self.url)


def default_sender(url: str) -> str:
    """Return the From header of a server with this URL, unless another one is set."""
    return f"Checkend <checkend@{urlsplit(url).hostname or 'localhost'}>"


def configured_settings(config: Mapping[str, Any]) -> MailSettings | None:
    """Return the settings in the configuration; None if it names no SMTP server."""
    if not config["MAIL_HOST"]:
        return None
    names = ("host", "port", "tls", "username", "password")
    values = {name: config[f"MAIL_{name.upper()}"] for name in names}
    return MailSettings(**values, from_address=config["MAIL_FROM"], url=config["URL"])


def current_settings() -> MailSettings | None:
    """Return the settings of the current app, as they are now; None if no SMTP server is set.

    Raises `SecretsUnreadableError`.
    """
    config = current_app.config
    if configured := configured_settings(config):
        return configured
    stored = StoredMailSettings.load()
    if stored is None:
        return None
    return MailSettings(
        host=stored.host,
        port=stored.port,
        tls=stored.tls,
        username=stored.username,
        password=secret_box().open(stored.password, OWNER).get("password", ""),
        from_address=stored.from_address,
        url=config["URL"],
        policy=OutboundPolicy.from_config(config),
    )


def has_server() -> bool:
    """Return whether an SMTP server is set."""
    return bool(current_app.config["MAIL_HOST"]) or StoredMailSettings.load() is not None


def is_configured() -> bool:
    """Return whether the current app can send mail.

    It requires ``URL`` for the links: one built from the ``Host`` header of a request could lead to the site of an
    attacker.
    """
    return bool(current_app.config["URL"]) and has_server()


def save_settings(box: SecretBox, values: Mapping[str, Any], password: str) -> None:
    """Store the settings; for a write transaction. ``values`` are the columns except for the password.

    An empty password keeps the current one. Raises `DomainError` for a user name without a password, and for another
    host without a password: an account that was entered for one server is not revealed to another.
    """
    row = StoredMailSettings.load() or StoredMailSettings(id=1, host="", username="", from_address="")
    if values["username"] and not password:
        if row.password is None:
            raise DomainError("Enter the password of this user name, or leave the user name empty.")
        if values["host"] != row.host:
            raise DomainError("Enter the password again: it is only sent to the mail server that it was entered for.")
    changed = {name for name, value in values.items() if getattr(row, name) != value}
    for name, value in values.items():
        setattr(row, name, value)
    if password and values["username"]:
        row.password = box.seal({"password": password})
        changed.add("password")
    elif not values["username"] and row.password:
        row.password = None
        changed.add("password")
    db.session.add(row)
    if changed:
        audit_log.record("mail_settings.changed", OWNER, fields=sorted(changed))


def delete_settings() -> None:
    """Delete the settings; for a write transaction. Without those of the configuration, no mail is sent any more."""
    row = StoredMailSettings.load()
    if row is not None:
        db.session.delete(row)
        audit_log.record("mail_settings.deleted", OWNER)
