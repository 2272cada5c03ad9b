"""``checkend app``: apps and their ingestion keys."""

import sys
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import (
    CommandError,
    confirm,
    json_option,
    open_database,
    pluralize,
    print_json,
    print_table,
    yes_option,
)
from checkend.cli._support.records import dump_app, find_app, load_fields
from checkend.cli._support.retention_options import retention_days_option, retention_notices_option, retention_of

if TYPE_CHECKING:
    from checkend.models import App


@click.group("app")
def group() -> None:
    """Create, list, show, update and delete apps, and print or replace their ingestion keys."""


@group.command("create", epilog="Example: checkend app create Shop --environment production --if-missing")
@click.argument("name")
@click.option("--environment", help="The app's environment, such as production; displayed with its name.")
@click.option("--if-missing", is_flag=True, help="Do nothing, and succeed, if an app named NAME exists.")
@click.option(
    "--ingestion-key-stdin",
    is_flag=True,
    help="Read the ingestion key from the first line of standard input: cki_ and 32 to 60 letters, digits, - or _.",
)
@json_option
def create(name: str, environment: str | None, if_missing: bool, ingestion_key_stdin: bool, as_json: bool) -> None:
    """Create an app named NAME, and print its ingestion key.

    With --if-missing, the JSON also states whether the app was "created".
    """
    ingestion_key = sys.stdin.readline().strip() if ingestion_key_stdin else None
    with open_database(writing=True, create=True):
        from checkend.models import App
        from checkend.schemas.app import AppWithKeySchema

        schema = AppWithKeySchema()
        fields = load_fields(schema, {"name": name, "environment": environment})
        app = _find_existing(fields["name"], ingestion_key) if if_missing else None
        created = app is None
        shown = schema.dump(app or App.create(**fields, ingestion_key=ingestion_key))
    if as_json:
        print_json(shown | {"created": created} if if_missing else shown)
        return
    label = f"{shown['name']!r} (id {shown['id']}, slug {shown['slug']})"
    outcome = f"Created app {label}." if created else f"App {label} already exists."
    click.echo(f"{outcome} Its ingestion key:")
    click.echo(f"\n    {shown['ingestion_key']}\n")
    click.echo("Configure the app's SDK with this key as its API key, and with this server's URL as its endpoint.")
    click.echo(f"Send a test error with: checkend send-test {shown['slug']}")


def _find_existing(name: str, ingestion_key: str | None) -> "App | None":
    """Return the app with this name, if any. Raises `CommandError` if it has another ingestion key."""
    from checkend.models import App

    app = App.named(name)
    if app is not None and ingestion_key not in (None, app.ingestion_key):
        raise CommandError(
            f"App {name!r} already exists with another ingestion key; nothing was changed. "
            f"Print its key with `checkend app key {app.slug}`."
        )
    return app


@group.command("list", epilog="Example: checkend app list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the apps, newest first."""
    with open_database():
        from checkend.models import App
        from checkend.schemas.app import AppSchema

        apps = AppSchema(many=True).dump(App.newest_first())
    if as_json:
        print_json(apps)
        return
    fields = ("id", "slug", "name", "environment", "unresolved_problems_count", "created_at")
    print_table(
        ("id", "slug", "name", "environment", "unresolved", "created"),
        [[app[field] for field in fields] for app in apps],
        "There are no apps yet. Create one with `checkend app create NAME`.",
    )


@group.command("show", epilog="Example: checkend app show shop --json")
@click.argument("app")
@json_option
def show(app: str, as_json: bool) -> None:
    """Show APP (its slug or id) and its settings. Its ingestion key is printed by `checkend app key`."""
    with open_database():
        fields = dump_app(find_app(app))
    _print(fields, as_json)


@group.command("update", epilog="Example: checkend app update shop --environment staging --retention-days 30")
@click.argument("app")
@click.option("--name", help="New name. The slug stays the same, so that links and clients keep working.")
@click.option("--environment", help="New environment; empty for none.")
@retention_days_option
@retention_notices_option
@json_option
def update(app: str, name: str | None, environment: str | None, as_json: bool, **retention: Any) -> None:
    """Change settings of APP (its slug or id). Settings without an option stay the same."""
    texts = {field: text for field, text in (("name", name), ("environment", environment)) if text is not None}
    changes = texts | retention_of(retention)
    if not changes:
        raise click.UsageError("Nothing to change: use at least one option. See `checkend app update --help`.")
    with open_database():
        from checkend.db.transactions import write_transaction
        from checkend.schemas.app import AppSchema

        changes |= load_fields(AppSchema(), texts, partial=True)
        with write_transaction():
            record = find_app(app)
            record.change(**changes)
        fields = dump_app(record)  # after the commit, which sets updated_at
    _print(fields, as_json)


def _print(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(fields)
        return
    for field, value in fields.items():
        if value is None:
            text = "the server's setting" if field.startswith("retention_") else ""
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
        click.echo(f"{field.replace('_', ' '):26}{text}".rstrip())


@group.command("delete", epilog="Example: checkend app delete shop --yes")
@click.argument("app")
@yes_option
def delete(app: str, yes: bool) -> None:
    """Delete APP (its slug or id) and all its problems and notices permanently."""
    with open_database():
        record = find_app(app)
        slug, label, count = record.slug, f"app {record.name!r} (id {record.id})", record.problems_count
    confirm(f"Delete {label} and its {pluralize(count, 'problem')} permanently?", yes)
    with open_database():
        from checkend.db.transactions import write_in_steps
        from checkend.models.selection import delete_app_in_batches

        for _ in write_in_steps(delete_app_in_batches(find_app(slug))):
            pass
    click.echo(f"Deleted {label}.")


@group.command("key", epilog="Example: export CHECKEND_API_KEY=$(checkend app key shop)")
@click.argument("app")
@json_option
def key(app: str, as_json: bool) -> None:
    """Print only the ingestion key of APP (its slug or id)."""
    with open_database():
        ingestion_key = find_app(app).ingestion_key
    if as_json:
        print_json({"ingestion_key": ingestion_key})
    else:
        click.echo(ingestion_key)


@group.command("regenerate-key", epilog="Example: checkend app regenerate-key shop")
@click.argument("app")
@json_option
def regenerate_key(app: str, as_json: bool) -> None:
    """Replace the ingestion key of APP (its slug or id). Reports with the old key are rejected from then on."""
    with open_database(writing=True):
        from checkend.schemas.app import AppWithKeySchema

        record = find_app(app)
        record.regenerate_ingestion_key()
        fields = AppWithKeySchema().dump(record)
    if as_json:
        print_json(fields)
        return
    click.echo(f"The new ingestion key of app {fields['name']!r}:")
    click.echo(f"\n    {fields['ingestion_key']}\n")
    click.echo("Reports with the old key are rejected from now on. Configure the app's SDK with the new one.")
