"""Creating and changing channels: which settings are secret, and whether all of them are valid together."""

from datetime import timedelta
from typing import Any

from marshmallow import ValidationError

from checkend import clock
from checkend.exceptions import DomainError
from checkend.models import App, Channel
from checkend.notifications.channels import webhook
from checkend.notifications.channels.base import ChannelConfigError
from checkend.notifications.channels.kinds import HTTP_KINDS
from checkend.notifications.encryption import SecretBox, SecretsUnreadableError
from checkend.schemas.fields import EmailAddressField

MAX_RECIPIENTS = 50
ROTATION_OVERLAP = timedelta(hours=24)  # for which a replaced signing secret signs as well


def create_channel(app: App, box: SecretBox, data: dict[str, Any]) -> tuple[Channel, str | None]:
    """Create a channel of ``app`` from a loaded `ChannelSchema`.

    Returns the channel, and the signing secret of a webhook, which is never shown again. Raises `DomainError` for
    invalid settings.
    """
    fields = dict(data)
    kind = fields["kind"]
    config, secrets = split_settings(kind, fields.pop("config", {}))
    signing_secret = webhook.generate_signing_secret() if kind == webhook.KIND else None
    if signing_secret:
        secrets["signing_secrets"] = [signing_secret]
    _validate(kind, config, secrets)
    sealed = box.seal(secrets) if secrets else None
    return Channel.create(app, **fields, config=config, secrets=sealed), signing_secret


def change_channel(channel: Channel, box: SecretBox, data: dict[str, Any]) -> None:
    """Change what ``data``, a partly loaded `ChannelSchema`, contains; secrets that are not sent stay.

    Raises `DomainError` for invalid settings, and for another kind.
    """
    fields = dict(data)
    if fields.pop("kind", channel.kind) != channel.kind:
        raise DomainError("Kind cannot be changed. Create another channel instead.")
    if "config" in fields:
        config, given = split_settings(channel.kind, fields["config"])
        # Secrets that are entered again need not be decrypted: the key may be lost.
        is_complete = channel.kind in HTTP_KINDS and given.keys() >= set(HTTP_KINDS[channel.kind].SECRETS)
        secrets = given if is_complete else box.open(channel.secrets) | given
        _validate(channel.kind, config, secrets)
        fields["config"] = config
        if given:
            fields["secrets"] = box.seal(secrets)
    channel.change(**fields)


def rotate_signing_secret(channel: Channel, box: SecretBox) -> str:
    """Return a new signing secret; the one that it replaces signs as well for `ROTATION_OVERLAP`.

    Raises `DomainError` for a channel that is no webhook.
    """
    if channel.kind != webhook.KIND:
        raise DomainError("Only webhooks have a signing secret.")
    signing_secret = webhook.generate_signing_secret()
    try:
        replaced = open_secrets(channel, box)["signing_secrets"][:1]
    except SecretsUnreadableError:  # a new secret is the way out of it
        replaced = []
    secrets = {"signing_secrets": [signing_secret, *replaced]}
    channel.change(secrets=box.seal(secrets), secret_rotated_at=clock.now())
    return signing_secret


def open_secrets(channel: Channel, box: SecretBox) -> dict[str, Any]:
    """Return the channel's secrets, without a signing secret that was replaced more than `ROTATION_OVERLAP` ago.

    Raises `SecretsUnreadableError`.
    """
    secrets = box.open(channel.secrets)
    rotated_at = channel.secret_rotated_at
    if rotated_at is not None and clock.now() - rotated_at > ROTATION_OVERLAP:
        secrets["signing_secrets"] = secrets["signing_secrets"][:1]
    return secrets


def split_settings(kind: str, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that are stored as they are, and those that are encrypted."""
    secret_names = HTTP_KINDS[kind].SECRETS if kind in HTTP_KINDS else ()
    secrets = {name: value for name, value in settings.items() if name in secret_names}
    return {name: value for name, value in settings.items() if name not in secrets}, secrets


def _validate(kind: str, config: dict[str, Any], secrets: dict[str, Any]) -> None:
    if kind == "email":
        return _validate_email(config)
    try:
        HTTP_KINDS[kind].validate(config, secrets)
    except ChannelConfigError as error:
        raise DomainError(*error.messages) from None


def _validate_email(config: dict[str, Any]) -> None:
    if unknown := sorted(set(config) - {"recipients"}):
        raise DomainError(f"Unknown setting '{unknown[0]}'. Use 'recipients'.")
    recipients = config.get("recipients", [])
    if not isinstance(recipients, list) or len(recipients) > MAX_RECIPIENTS:
        raise DomainError(f"Recipients must be a list of at most {MAX_RECIPIENTS} email addresses.")
    for recipient in recipients:
        try:
            EmailAddressField().deserialize(recipient)
        except ValidationError as error:
            raise DomainError(f"Recipient {str(recipient)[:100]!r} {' '.join(error.messages)}") from None
