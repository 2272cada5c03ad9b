"""``checkend api-key``: API keys for the Management API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from checkend.auth.permissions import ALL_PERMISSIONS, APP_PERMISSIONS, READ_PERMISSIONS
from checkend.cli._support.options import parse_duration
from checkend.cli._support.output import confirm, json_option, open_database, print_json, print_table, yes_option
from checkend.cli._support.records import dump_api_key, find_api_key, find_app


@click.group("api-key")
def group() -> None:
    """Create, list, revoke and delete API keys for the Management API."""


def parse_expiry(text: str) -> datetime:
    """Return the time that is ``12h``, ``90d`` or ``4w`` from now, or the end of a day in UTC.

    Raises `click.BadParameter`.
    """
    from checkend import clock

    try:
        if (lifetime := parse_duration(text)) is not None:
            return clock.now() + lifetime
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is neither a duration such as 90d nor a date such as 2030-12-31.") from None


@group.command("create", epilog="Example: checkend api-key create deploys --permission apps:read --if-missing")
@click.argument("name")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="PERMISSION",
    type=click.Choice(ALL_PERMISSIONS),
    help="Grant a permission; repeatable. One of " + ", ".join(ALL_PERMISSIONS) + ".",
)
@click.option("--all", "grant_all", is_flag=True, help="Grant all permissions; with --app, all that concern apps.")
@click.option("--read-only", is_flag=True, help="Grant all read permissions; with --app, all that concern apps.")
@click.option(
    "--app", "apps", multiple=True, metavar="APP", help="Restrict the key to this app (its slug or id); repeatable."
)
@click.option(
    "--expires",
    type=parse_expiry,
    metavar="WHEN",
    help="Expire after 12h, 90d or 4w, or at the end of a day such as 2030-12-31 (UTC). [default: never]",
)
@click.option("--if-missing", is_flag=True, help="Do nothing, and succeed, if a valid key named NAME exists.")
@json_option
def create(
    name: str,
    permissions: tuple[str, ...],
    grant_all: bool,
    read_only: bool,
    apps: tuple[str, ...],
    expires: datetime | None,
    if_missing: bool,
    as_json: bool,
) -> None:
    """Create an API key named NAME, and print it. It is not stored in readable form, and cannot be shown again.

    With --if-missing, the JSON also states whether the key was "created"; if not, "key" is null. A revoked or expired
    key does not count as existing.
    """
    if bool(permissions) + grant_all + read_only != 1:
        raise click.UsageError("Specify what the key allows: --permission (repeatable), --all or --read-only.")
    granted = ALL_PERMISSIONS if grant_all else READ_PERMISSIONS
    requested = permissions or tuple(p for p in granted if not apps or p in APP_PERMISSIONS)
    with open_database(writing=True, create=True):
        from checkend.models import ApiKey

        key, value = ApiKey.live_named(name.strip()) if if_missing else None, None
        restriction = [find_app(reference) for reference in apps] if apps else None
        if key is None:
            key, value = ApiKey.create(name, requested, expires, restriction)
        fields = dump_api_key(key)
        requested_ids = None if restriction is None else sorted({app.id for app in restriction})
    if set(fields["permissions"]) != set(requested):
        click.echo(f"Warning: The existing key has other permissions: {', '.join(fields['permissions'])}.", err=True)
    if fields["app_ids"] != requested_ids:
        click.echo(f"Warning: The existing key {describe_apps(fields['app_ids'])}.", err=True)
    if as_json:
        printed = {field: fields[field] for field in ("id", "name", "prefix", "permissions", "app_ids", "expires_at")}
        print_json(printed | {"key": value} | ({"created": value is not None} if if_missing else {}))
    else:
        _print(fields, value)


def describe_apps(app_ids: list[int] | None) -> str:
    """Return the end of a sentence about a key that says which apps it may use."""
    if app_ids is None:
        return "may use all apps"
    return f"is restricted to apps with the ids {', '.join(map(str, app_ids))}" if app_ids else "may use no app"


def _print(fields: dict[str, Any], value: str | None) -> None:
    """Print a key, and its value, which is None if the key existed before."""
    expiry = f"expires {fields['expires_at']}" if fields["expires_at"] else "never expires"
    label = f"API key {fields['name']!r} (id {fields['id']}, {expiry})"
    if value is None:
        click.echo(f"{label} already exists. It was shown when it was created, and cannot be shown again.")
        return
    click.echo(f"Created {label}:")
    click.echo(f"\n    {value}\n")
    click.echo(f"Permissions: {', '.join(fields['permissions'])}.")
    if fields["app_ids"] is not None:
        click.echo(f"The key {describe_apps(fields['app_ids'])}.")
    click.echo("Send it in the Checkend-API-Key header. Store it now: it cannot be shown again.")


@group.command("list", epilog="Example: checkend api-key list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the API keys, newest first, without their values."""
    with open_database():
        from checkend.models import ApiKey

        keys = [(dump_api_key(key), key.is_live) for key in ApiKey.newest_first()]
    if as_json:
        print_json([fields for fields, _ in keys])
        return
    print_table(
        ("id", "name", "prefix", "state", "last used", "expires", "apps", "permissions"),
        [
            (
                key["id"],
                key["name"],
                key["prefix"],
                "active" if is_live else "revoked" if key["revoked_at"] else "expired",
                key["last_used_at"] or "never",
                key["expires_at"] or "never",
                "all" if key["app_ids"] is None else " ".join(map(str, key["app_ids"])) or "none",
                _summarize_permissions(key["permissions"]),
            )
            for key, is_live in keys
        ],
        "There are no API keys yet. Create one with `checkend api-key create NAME --all`.",
    )


def _summarize_permissions(names: list[str]) -> str:
    return {ALL_PERMISSIONS: "all", READ_PERMISSIONS: "read-only"}.get(tuple(names), " ".join(names))


@group.command("revoke", epilog="Example: checkend api-key revoke 3")
@click.argument("key")
@json_option
def revoke(key: str, as_json: bool) -> None:
    """Revoke KEY (its id or prefix). It is rejected from then on, but stays in the list."""
    with open_database(writing=True):
        api_key = find_api_key(key)
        api_key.revoke()
        fields = dump_api_key(api_key)
    if as_json:
        print_json(fields)
    else:
        click.echo(f"Revoked API key {fields['name']!r} (id {fields['id']}).")


@group.command("delete", epilog="Example: checkend api-key delete 3 --yes")
@click.argument("key")
@yes_option
def delete(key: str, yes: bool) -> None:
    """Delete KEY (its id or prefix). It is rejected from then on, and removed from the list."""
    with open_database():
        api_key = find_api_key(key)
        label, key_id = f"API key {api_key.name!r} (id {api_key.id})", str(api_key.id)
    confirm(f"Delete {label}?", yes)
    with open_database(writing=True):
        find_api_key(key_id).delete()
    click.echo(f"Deleted {label}.")
