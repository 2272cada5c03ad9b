"""``checkend api-key``: keys of the Management API."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from checkend.auth.permissions import ALL_PERMISSIONS, READ_PERMISSIONS
from checkend.cli._support.output import confirm, json_option, open_database, print_json, print_table, yes_option
from checkend.cli._support.records import find_api_key, show_api_key

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.group("api-key")
def group() -> None:
    """Create, list, revoke and delete keys of the Management API."""


def expiry(text: str) -> datetime:
    """Return the moment that is ``12h``, ``90d`` or ``4w`` from now, or the end of a day in UTC.

    Raises `click.BadParameter`.
    """
    from checkend import clock

    try:
        if match := re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip()):
            return clock.now() + int(match[1]) * UNITS[match[2]]
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither a span such as 90d nor a date such as 2030-12-31.") from None


@group.command("create", epilog="Example: checkend api-key create deploys --permission apps:read --if-missing")
@click.argument("name")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="PERMISSION",
    type=click.Choice(ALL_PERMISSIONS),
    help="What the key allows; may be repeated. One of " + ", ".join(ALL_PERMISSIONS) + ".",
)
@click.option("--all", "everything", is_flag=True, help="Every permission.")
@click.option("--read-only", is_flag=True, help="Every read permission.")
@click.option("--expires", type=expiry, metavar="WHEN", help="After 12h, 90d or 4w, or at the end of 2030-12-31 (UTC).")
@click.option("--if-missing", is_flag=True, help="Change nothing, and succeed, if a key called NAME is valid.")
@json_option
def create(
    name: str,
    permissions: tuple[str, ...],
    everything: bool,
    read_only: bool,
    expires: datetime | None,
    if_missing: bool,
    as_json: bool,
) -> None:
    """Create an API key called NAME, and print its value, which is not stored and cannot be shown again.

    With --if-missing, JSON also says whether the key was "created"; "key" is null where it was not. A key that is
    revoked or expired does not count as existing.
    """
    if bool(permissions) + everything + read_only != 1:
        raise click.UsageError("Say what the key allows: --permission (repeated), --all or --read-only.")
    wanted = permissions or (ALL_PERMISSIONS if everything else READ_PERMISSIONS)
    with open_database(writing=True, create=True):
        from checkend.models import ApiKey

        key, value = ApiKey.live_named(name.strip()) if if_missing else None, None
        if key is None:
            key, value = ApiKey.create(name, wanted, expires)
        shown = show_api_key(key)
    if set(shown["permissions"]) != set(wanted):
        click.echo(f"The existing key has other permissions: {', '.join(shown['permissions'])}.", err=True)
    if as_json:
        fields = {field: shown[field] for field in ("id", "name", "prefix", "permissions", "expires_at")}
        print_json(fields | {"key": value} | ({"created": value is not None} if if_missing else {}))
    else:
        _print(shown, value)


def _print(shown: dict[str, Any], value: str | None) -> None:
    """Print the key with its value; None for one that already existed."""
    label = f"API key {shown['name']!r} (id {shown['id']}, {_expiry(shown)})"
    if value is None:
        click.echo(f"There already is the {label}. Its value was shown when it was created, and cannot be shown again.")
        return
    click.echo(f"Created {label}:")
    click.echo(f"\n    {value}\n")
    click.echo(f"Permissions: {', '.join(shown['permissions'])}.")
    click.echo("Send it in the header Checkend-API-Key. It cannot be shown again.")


def _expiry(shown: dict[str, Any]) -> str:
    return f"expires {shown['expires_at']}" if shown["expires_at"] else "never expires"


@group.command("list", epilog="Example: checkend api-key list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the API keys, newest first, without their values."""
    with open_database():
        from checkend.models import ApiKey

        keys = [(show_api_key(key), key.is_live) for key in ApiKey.newest_first()]
    if as_json:
        print_json([shown for shown, _ in keys])
        return
    print_table(
        ("id", "name", "prefix", "state", "last used", "expires", "permissions"),
        [
            (
                key["id"],
                key["name"],
                key["prefix"],
                "live" if live else "revoked" if key["revoked_at"] else "expired",
                key["last_used_at"] or "never",
                key["expires_at"] or "never",
                _permissions(key["permissions"]),
            )
            for key, live in keys
        ],
        "There is no API key yet. Create one with `checkend api-key create NAME --all`.",
    )


def _permissions(names: list[str]) -> str:
    return {ALL_PERMISSIONS: "all", READ_PERMISSIONS: "read only"}.get(tuple(names), " ".join(names))


@group.command("revoke", epilog="Example: checkend api-key revoke 3")
@click.argument("key")
@json_option
def revoke(key: str, as_json: bool) -> None:
    """Revoke KEY (its id or prefix): it is rejected from then on, and stays in the list."""
    with open_database(writing=True):
        found = find_api_key(key)
        found.revoke()
        shown = show_api_key(found)
    if as_json:
        print_json(shown)
    else:
        click.echo(f"Revoked API key {shown['name']!r} (id {shown['id']}).")


@group.command("delete", epilog="Example: checkend api-key delete 3 --yes")
@click.argument("key")
@yes_option
def delete(key: str, yes: bool) -> None:
    """Delete KEY (its id or prefix): it is rejected from then on, and leaves the list."""
    with open_database():
        found = find_api_key(key)
        label = f"API key {found.name!r} (id {found.id})"
        number = str(found.id)
    confirm(f"Delete {label}?", yes)
    with open_database(writing=True):
        find_api_key(number).delete()
    click.echo(f"Deleted {label}.")
