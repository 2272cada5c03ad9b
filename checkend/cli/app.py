"""``checkend app``: the applications that report here, and their ingestion keys."""

import click

from checkend.cli.output import json_option, open_store, print_json, print_table
from checkend.cli.records import find_app, load


@click.group("app")
def group() -> None:
    """Make and list apps, and replace their ingestion keys."""


@group.command("create", epilog="Example: checkend app create Shop --environment production")
@click.argument("name")
@click.option("--environment", help="Where it runs, such as production; shown with it.")
@json_option
def create(name: str, environment: str | None, as_json: bool) -> None:
    """Make an app called NAME, and print its ingestion key."""
    with open_store(writing=True):
        from checkend.models import App
        from checkend.schemas.app import AppWithKeySchema

        schema = AppWithKeySchema()
        app = App.create(**load(schema, {"name": name, "environment": environment}))
        shown = schema.dump(app)
    if as_json:
        print_json(shown)
        return
    click.echo(f"App {shown['name']!r} is made: id {shown['id']}, slug {shown['slug']}. Its ingestion key:")
    click.echo(f"\n    {shown['ingestion_key']}\n")
    click.echo("Give it to the app's SDK as its API key, and this server's address as its endpoint.")
    click.echo(f"Then see it work: checkend send-test {shown['slug']}")


@group.command("list", epilog="Example: checkend app list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the apps, newest first, as the API shows them."""
    with open_store():
        from checkend.models import App
        from checkend.schemas.app import AppSchema

        apps = AppSchema(many=True).dump(App.newest_first())
    if as_json:
        print_json(apps)
        return
    fields = ("id", "slug", "name", "environment", "unresolved_problems_count", "created_at")
    print_table(
        ("id", "slug", "name", "environment", "unresolved", "made"),
        [[app[field] for field in fields] for app in apps],
        "There is no app yet. Make one with `checkend app create NAME`.",
    )


@group.command("regenerate-key", epilog="Example: checkend app regenerate-key shop")
@click.argument("app")
@json_option
def regenerate_key(app: str, as_json: bool) -> None:
    """Replace the ingestion key of APP (its slug or id). The old one is refused at once."""
    with open_store(writing=True):
        from checkend.schemas.app import AppWithKeySchema

        found = find_app(app)
        found.regenerate_ingestion_key()
        shown = AppWithKeySchema().dump(found)
    if as_json:
        print_json(shown)
        return
    click.echo(f"The new ingestion key of app {shown['name']!r}:")
    click.echo(f"\n    {shown['ingestion_key']}\n")
    click.echo("Reports with the old one are refused from now on.")
