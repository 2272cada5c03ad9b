"""``checkend api-key``: keys of the Management API."""

import re
from datetime import UTC, datetime, timedelta

import click

from checkend.cli.output import confirm, json_option, open_store, print_json, print_table, yes_option
from checkend.cli.records import find_api_key, show_api_key
from checkend.permissions import ALL_PERMISSIONS, READ_PERMISSIONS

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.group("api-key")
def group() -> None:
    """Make, list, revoke and delete keys of the Management API."""


def expiry(text: str) -> datetime:
    """``12h``, ``90d``, ``4w`` from now, or a date, at whose end (UTC) the key ends. Raises `click.BadParameter`."""
    from checkend import clock

    try:
        if match := re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip()):
            return clock.now() + int(match[1]) * UNITS[match[2]]
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither a span such as 90d nor a date such as 2030-12-31.") from None


@group.command("create", epilog="Example: checkend api-key create deploys --permission apps:read --expires 90d")
@click.argument("name")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="PERMISSION",
    type=click.Choice(ALL_PERMISSIONS),
    help="What the key may do; may be repeated. One of " + ", ".join(ALL_PERMISSIONS) + ".",
)
@click.option("--all", "everything", is_flag=True, help="All permissions.")
@click.option("--read-only", is_flag=True, help="Every permission to read.")
@click.option("--expires", type=expiry, metavar="WHEN", help="After 12h, 90d, 4w, or with the day 2030-12-31 (UTC).")
@json_option
def create(
    name: str, permissions: tuple[str, ...], everything: bool, read_only: bool, expires: datetime | None, as_json: bool
) -> None:
    """Make an API key called NAME. Its value is shown this once and cannot be had again."""
    if bool(permissions) + everything + read_only != 1:
        raise click.UsageError("Say what the key may do: --permission (repeated), or --all, or --read-only.")
    wanted = permissions or (ALL_PERMISSIONS if everything else READ_PERMISSIONS)
    with open_store(writing=True):
        from checkend.models import ApiKey

        key, value = ApiKey.create(name, wanted, expires)
        shown = show_api_key(key)
    if as_json:
        print_json(
            {field: shown[field] for field in ("id", "name", "prefix", "permissions", "expires_at")} | {"key": value}
        )
        return
    click.echo(
        f"API key {shown['name']!r} (id {shown['id']}), "
        + (f"until {shown['expires_at']}" if expires else "without an end")
        + ":"
    )
    click.echo(f"\n    {value}\n")
    click.echo(f"May: {', '.join(shown['permissions'])}.")
    click.echo("Send it as the header Checkend-API-Key. It is not shown again.")


@group.command("list", epilog="Example: checkend api-key list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the API keys, newest first, without their values."""
    with open_store():
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
        "There is no API key yet. Make one with `checkend api-key create NAME --all`.",
    )


def _permissions(names: list[str]) -> str:
    return {ALL_PERMISSIONS: "all", READ_PERMISSIONS: "read only"}.get(tuple(names), " ".join(names))


@group.command("revoke", epilog="Example: checkend api-key revoke 3")
@click.argument("key")
@json_option
def revoke(key: str, as_json: bool) -> None:
    """Refuse KEY (its id or prefix) from now on, and keep it in the list."""
    with open_store(writing=True):
        found = find_api_key(key)
        found.revoke()
        shown = show_api_key(found)
    if as_json:
        print_json(shown)
    else:
        click.echo(f"API key {shown['name']!r} (id {shown['id']}) is revoked.")


@group.command("delete", epilog="Example: checkend api-key delete 3 --yes")
@click.argument("key")
@yes_option
def delete(key: str, yes: bool) -> None:
    """Remove KEY (its id or prefix); it is refused from now on."""
    with open_store():
        found = find_api_key(key)
        label = f"API key {found.name!r} (id {found.id})"
        number = str(found.id)
    confirm(f"Delete {label}?", yes)
    with open_store(writing=True):
        find_api_key(number).delete()
    click.echo(f"{label} is deleted.")
