"""Replacing the key that encrypts secrets, so that they can be decrypted at any point of it.

1. In a write transaction, the new key is written to the first line of the file, and then the secrets are encrypted with
   it. Until the transaction is committed, the old keys decrypt them; afterwards, the new one does.
2. In another one, the old keys are removed from the file.

Servers read the file whenever they encrypt something, and only in write transactions: one that encrypts after step 1
uses the new key, and what one encrypted before is encrypted again by step 1. Rotations at the same time remove only the
keys that they found.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from checkend.db.session import db
from checkend.exceptions import DomainError
from checkend.models import Channel, OutgoingMail, StoredMailSettings
from checkend.models.idempotent_response import delete_all_responses
from checkend.notifications.encryption import SecretBox, SecretsUnreadableError
from checkend.notifications.mail_settings import OWNER


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was encrypted again: how many channels and mails, and whether there is an SMTP password."""

    old_keys: list[str]
    channels: int
    mails: int
    password: bool


def encrypt_with_new_key(box: SecretBox) -> Rotation:
    """Add a key and encrypt all secrets with it; for a write transaction of its own.

    These are the secrets of channels, the SMTP password and the mail that waits. Mail that cannot be decrypted is given
    up. Raises `DomainError`, before anything is changed, if another secret cannot be decrypted.
    """
    channels = list(db.session.scalars(select(Channel).where(Channel.secrets.is_not(None)).order_by(Channel.id)))
    opened = []
    for channel in channels:
        try:
            opened.append(box.open(channel.secrets))
        except SecretsUnreadableError:
            raise DomainError(
                f"The secrets of {channel.label} cannot be decrypted, so nothing was changed. Restore the file "
                f"{box.path} from a backup, or enter the channel's secrets again, or delete it."
            ) from None
    settings, password = _open_password(box)
    mails = _open_waiting_mail(box)
    delete_all_responses()
    old_keys = box.add_key()
    for channel, secrets in zip(channels, opened, strict=True):
        channel.secrets = box.seal(secrets)
    if settings is not None:
        settings.password = box.seal(password)
    for mail, content in mails:
        mail.body = box.seal(content)
    return Rotation(old_keys, len(channels), len(mails), settings is not None)


def _open_password(box: SecretBox) -> tuple[StoredMailSettings | None, dict[str, Any]]:
    """Return the mail settings, if they have a password, and what is sealed in it."""
    settings = StoredMailSettings.load()
    if settings is None or settings.password is None:
        return None, {}
    try:
        return settings, box.open(settings.password)
    except SecretsUnreadableError:
        raise DomainError(
            f"The secrets of {OWNER} cannot be decrypted, so nothing was changed. Restore the file {box.path} from a "
            "backup, or enter the password again on the Mail page."
        ) from None


def _open_waiting_mail(box: SecretBox) -> list[tuple[OutgoingMail, dict[str, Any]]]:
    opened = []
    for mail in db.session.scalars(select(OutgoingMail).where(OutgoingMail.status == "pending")):
        try:
            opened.append((mail, box.open(mail.body, "this mail")))
        except SecretsUnreadableError as error:
            mail.end("gave_up", str(error))
    return opened


def remove_keys(box: SecretBox, keys: list[str]) -> None:
    """Remove keys that encrypt nothing any more; for a write transaction, which keeps other rotations out."""
    db.session.execute(select(1))  # takes the write lock
    box.remove_keys(keys)
