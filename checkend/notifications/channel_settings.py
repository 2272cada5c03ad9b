"""Creating and changing channels: which settings are secret, and whether all of them are valid together."""

from datetime import timedelta
from typing import Any

from marshmallow import ValidationError

from checkend import clock
from checkend.exceptions import DomainError
from checkend.models import App, Channel
from checkend.notifications.channels import webhook
from checkend.notifications.channels.base import ChannelConfigError
from checkend.notifications.channels.kinds import REQUEST_KINDS
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
    config = _validate(kind, config, secrets)
    return Channel.create(app, **fields, config=config, secrets=_seal(box, secrets)), signing_secret


def change_channel(channel: Channel, box: SecretBox, data: dict[str, Any]) -> None:
    """Change what ``data``, a partly loaded `ChannelSchema`, contains.

    ``config`` replaces the settings that are not secret. Secrets that it lacks stay, those that are null or empty are
    removed. Raises `DomainError` for invalid settings, and for another kind.
    """
    fields = dict(data)
    if fields.pop("kind", channel.kind) != channel.kind:
        raise DomainError("Kind cannot be changed. Create another channel instead.")
    if "config" in fields:
        config, given = split_settings(channel.kind, fields["config"])
        stored = _stored_secrets(channel, box, replaced=bool(given))
        _check_token_stays_with_its_server(channel, config, stored, given)
        secrets = stored | given
        fields["config"] = _validate(channel.kind, config, secrets)
        if given:
            fields["secrets"] = _seal(box, secrets)
    channel.change(**fields)


def rotate_signing_secret(channel: Channel, box: SecretBox) -> str:
    """Return a new signing secret; the one that it replaces signs as well for `ROTATION_OVERLAP`.

    Raises `DomainError` for a channel that is no webhook.
    """
    if channel.kind != webhook.KIND:
        raise DomainError("Only webhooks have a signing secret.")
    signing_secret = webhook.generate_signing_secret()
    secrets = _stored_secrets(channel, box, replaced=True)
    secrets["signing_secrets"] = [signing_secret, *secrets.get("signing_secrets", [])[:1]]
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
    secrets = {name: value for name, value in settings.items() if name in secret_settings(kind)}
    return {name: value for name, value in settings.items() if name not in secrets}, secrets


def secret_settings(kind: str) -> tuple[str, ...]:
    """Return the names of the secret settings that users enter; a webhook's signing secret is generated."""
    return REQUEST_KINDS[kind].SECRETS if kind in REQUEST_KINDS and kind != webhook.KIND else ()


def _stored_secrets(channel: Channel, box: SecretBox, *, replaced: bool) -> dict[str, Any]:
    """Return the channel's secrets; {} if they cannot be decrypted and are being ``replaced``.

    Raises `DomainError` if they cannot be decrypted and are not replaced.
    """
    try:
        return open_secrets(channel, box)
    except SecretsUnreadableError as error:
        if replaced:
            return {}
        raise DomainError(str(error)) from None


def _seal(box: SecretBox, secrets: dict[str, Any]) -> bytes | None:
    """Return the secrets that are set, encrypted; None if there are none."""
    set_secrets = {name: value for name, value in secrets.items() if value not in (None, "")}
    return box.seal(set_secrets) if set_secrets else None


def _check_token_stays_with_its_server(
    channel: Channel, config: dict[str, Any], stored: dict[str, Any], given: dict[str, Any]
) -> None:
    """Raise `DomainError` if the server changes and the token does not.

    Otherwise, whoever may change a channel could read its token, by having it sent to a server of their own.
    """
    default = getattr(REQUEST_KINDS.get(channel.kind), "DEFAULT_SERVER", None)
    is_same_server = (config.get("server") or default) == (channel.config.get("server") or default)
    if default and not is_same_server and "token" in stored and "token" not in given:
        raise DomainError("Enter 'token' again to change 'server': it is only sent to the server it was entered for.")


def _validate(kind: str, config: dict[str, Any], secrets: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as they are stored. Raises `DomainError`."""
    if kind == "email":
        return _validate_email(config)
    try:
        REQUEST_KINDS[kind].validate(config, secrets)
    except ChannelConfigError as error:
        raise DomainError(*error.messages) from None
    return config


def _validate_email(config: dict[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(config) - {"recipients"}):
        raise DomainError(*(f"Unknown setting '{name}'. Use 'recipients'." for name in unknown))
    recipients = config.get("recipients", [])
    if not isinstance(recipients, list) or len(recipients) > MAX_RECIPIENTS:
        raise DomainError(f"'recipients' must be a list of at most {MAX_RECIPIENTS} email addresses.")
    addresses: dict[str, str] = {}  # by what identifies them, so that nobody gets the same mail twice
    for recipient in recipients:
        try:
            address = str(EmailAddressField().deserialize(recipient))
        except ValidationError as error:
            raise DomainError(f"Recipient {str(recipient)[:100]!r} {error.messages[0]}") from None
        addresses.setdefault(address.casefold(), address)
    return {"recipients": list(addresses.values())}
