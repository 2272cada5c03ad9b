"""``checkend app``: the applications that report here, and their ingestion keys."""

import sys
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import (
    CommandError,
    confirm,
    json_option,
    open_database,
    print_json,
    print_table,
    yes_option,
)
from checkend.cli._support.records import find_app, load_fields, show_app
from checkend.cli._support.retention_options import retention_days_option, retention_notices_option, retention_of

if TYPE_CHECKING:
    from checkend.models import App


@click.group("app")
def group() -> None:
    """Create, list, show, update and delete apps, and print or replace their ingestion keys."""


@group.command("create", epilog="Example: checkend app create Shop --environment production --if-missing")
@click.argument("name")
@click.option("--environment", help="Where the app runs, such as production; shown with it.")
@click.option("--if-missing", is_flag=True, help="Change nothing, and succeed, if an app called NAME exists.")
@click.option(
    "--ingestion-key-stdin",
    is_flag=True,
    help="Read the ingestion key from the first line of standard input: cki_ and 32 to 60 letters, digits, - or _.",
)
@json_option
def create(name: str, environment: str | None, if_missing: bool, ingestion_key_stdin: bool, as_json: bool) -> None:
    """Create an app called NAME, and print its ingestion key.

    With --if-missing, JSON also says whether the app was "created".
    """
    given = sys.stdin.readline().strip() if ingestion_key_stdin else None
    with open_database(writing=True, create=True):
        from checkend.models import App
        from checkend.schemas.app import AppWithKeySchema

        schema = AppWithKeySchema()
        fields = load_fields(schema, {"name": name, "environment": environment})
        app = _existing(fields["name"], given) if if_missing else None
        created = app is None
        shown = schema.dump(app or App.create(**fields, ingestion_key=given))
    if as_json:
        print_json(shown | {"created": created} if if_missing else shown)
        return
    verb = "Created app" if created else "There already is an app"
    click.echo(f"{verb} {shown['name']!r} (id {shown['id']}, slug {shown['slug']}). Its ingestion key:")
    click.echo(f"\n    {shown['ingestion_key']}\n")
    click.echo("Give it to the app's SDK as its API key, and this server's URL as its endpoint.")
    click.echo(f"To see it work: checkend send-test {shown['slug']}")


def _existing(name: str, key: str | None) -> "App | None":
    """Return the app called ``name``, if any. Raises `CommandError` when it has another ingestion key than ``key``."""
    from checkend.models import App

    app = App.named(name)
    if app is not None and key not in (None, app.ingestion_key):
        raise CommandError(
            f"App {name!r} exists and has another ingestion key, so nothing was changed. "
            f"Print that key with `checkend app key {app.slug}`."
        )
    return app


@group.command("list", epilog="Example: checkend app list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the apps, newest first, as the API shows them."""
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
        "There is no app yet. Create one with `checkend app create NAME`.",
    )


@group.command("show", epilog="Example: checkend app show shop --json")
@click.argument("app")
@json_option
def show(app: str, as_json: bool) -> None:
    """Show APP (its slug or id) and its settings, without its ingestion key: `checkend app key` prints that."""
    with open_database():
        shown = show_app(find_app(app))
    _print(shown, as_json)


@group.command("update", epilog="Example: checkend app update shop --environment staging --retention-days 30")
@click.argument("app")
@click.option("--name", help="New name. The slug stays, so that links and clients go on working.")
@click.option("--environment", help="Where the app runs; empty for none.")
@retention_days_option
@retention_notices_option
@json_option
def update(app: str, name: str | None, environment: str | None, as_json: bool, **retention: Any) -> None:
    """Change settings of APP (its slug or id): those that are given, and no others."""
    texts = {field: text for field, text in (("name", name), ("environment", environment)) if text is not None}
    changes = texts | retention_of(retention)
    if not changes:
        raise click.UsageError("Nothing to change: give at least one option. See `checkend app update --help`.")
    with open_database(writing=True):
        from checkend.schemas.app import AppSchema

        changes |= load_fields(AppSchema(), texts, partial=True)
        found = find_app(app)
        found.change(**changes)
        shown = show_app(found)
    _print(shown, as_json)


def _print(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    for field, value in shown.items():
        if value is None:
            text = "the server's setting" if field.startswith("retention_") else ""
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
        click.echo(f"{field.replace('_', ' '):26}{text}".rstrip())


@group.command("delete", epilog="Example: checkend app delete shop --yes")
@click.argument("app")
@yes_option
def delete(app: str, yes: bool) -> None:
    """Delete APP (its slug or id) with all its problems and notices, permanently."""
    with open_database():
        found = find_app(app)
        slug, label, count = found.slug, f"app {found.name!r} (id {found.id})", found.problems_count
    confirm(f"Delete {label} with its {count:,} problem{'' if count == 1 else 's'}, permanently?", yes)
    with open_database(writing=True):
        from checkend.db.session import db
        from checkend.models.selection import delete_app_in_batches

        for _ in delete_app_in_batches(find_app(slug)):
            db.session.commit()  # so that others can write in between
    click.echo(f"Deleted {label}.")


@group.command("key", epilog="Example: export CHECKEND_API_KEY=$(checkend app key shop)")
@click.argument("app")
@json_option
def key(app: str, as_json: bool) -> None:
    """Print the ingestion key of APP (its slug or id), and nothing else."""
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

        found = find_app(app)
        found.regenerate_ingestion_key()
        shown = AppWithKeySchema().dump(found)
    if as_json:
        print_json(shown)
        return
    click.echo(f"The new ingestion key of app {shown['name']!r}:")
    click.echo(f"\n    {shown['ingestion_key']}\n")
    click.echo("Reports with the old key are rejected from now on.")
