"""``checkend channel``: where the notifications of an app are sent."""

import sys
from typing import Any

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
from checkend.cli._support.records import find_app, find_channel, load_fields
from checkend.cli._support.terminal import has_terminal


@click.group("channel")
def group() -> None:
    """Create, list, test and delete the channels that an app's notifications are sent to."""


def parse_settings(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings in ``NAME=VALUE`` pairs; ``recipients`` and ``labels`` are lists. Raises `BadParameter`."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not name or not separator:
            raise click.BadParameter(f"{pair!r} is not a setting such as url=https://example.com.")
        settings[name] = [part.strip() for part in value.split(",")] if name in ("recipients", "labels") else value
    return settings


@group.command("create", epilog='Example: checkend channel create shop slack "Team chat" --secret-stdin < url.txt')
@click.argument("app")
@click.argument("kind")
@click.argument("name")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_settings,
    help="A setting of the kind that is not secret; may be repeated. Separate recipients and labels with commas.",
)
@click.option(
    "--secret-stdin",
    is_flag=True,
    help="Read the secret setting of the kind, a URL or a token, from the first line of standard input.",
)
@click.option(
    "--event",
    "events",
    multiple=True,
    help="Only this event; may be repeated: new_problem and reoccurrence (the default), threshold, spike, unmuted.",
)
@click.option("--environment", "environments", multiple=True, help="Only this environment; may be repeated.")
@click.option("--min-level", metavar="LEVEL", help="Only this level or a more severe one, such as error. [debug]")
@click.option("--min-interval", type=int, metavar="SECONDS", help="Collect what comes sooner after a message.")
@click.option("--spike-occurrences", type=int, metavar="NUMBER", help="How many occurrences are a spike. [100]")
@click.option("--spike-minutes", type=int, metavar="MINUTES", help="Within how many minutes. [5]")
@json_option
def create(
    app: str,
    kind: str,
    name: str,
    settings: dict[str, Any],
    secret_stdin: bool,
    events: tuple[str, ...],
    environments: tuple[str, ...],
    min_level: str | None,
    min_interval: int | None,
    spike_occurrences: int | None,
    spike_minutes: int | None,
    as_json: bool,
) -> None:
    """Create a channel called NAME of APP (its slug or id).

    KIND is webhook (--set url=…), email (--set recipients=…), slack, discord, teams or google_chat (their URL is
    secret), telegram (--set chat_id=…, and a secret token), ntfy (--set topic=…, and optionally a secret token),
    github (--set repository=owner/name, and a secret token), gitlab (--set project=group/name, and a secret token) or
    apprise (its URL is secret). The secret is asked for. Where there is no terminal, pass it with --secret-stdin. The
    signing secret of a webhook is printed, and cannot be shown again.
    """
    options = {
        "events": list(events),
        "environments": list(environments),
        "min_level": min_level,
        "min_interval_seconds": min_interval,
        "spike_occurrences": spike_occurrences,
        "spike_minutes": spike_minutes,
    }
    given = {option: value for option, value in options.items() if value not in ([], None)}
    with open_database():
        find_app(app)  # before anyone enters a secret
    config = settings | _secret(kind, settings, secret_stdin)
    with open_database(writing=True):
        from checkend.notifications.channel_settings import create_channel
        from checkend.notifications.encryption import secret_box
        from checkend.schemas.channel import ChannelSchema

        schema = ChannelSchema()
        fields = load_fields(schema, {"kind": kind, "name": name, "config": config} | given)
        channel, signing_secret = create_channel(find_app(app), secret_box(), fields)
        shown, slug = schema.dump(channel), channel.app.slug
    if as_json:
        print_json(shown | ({"signing_secret": signing_secret} if signing_secret else {}))
        return
    click.echo(f"Created {shown['kind']} channel {shown['name']!r} (id {shown['id']}).")
    if signing_secret:
        click.echo("Its signing secret, which cannot be shown again:")
        click.echo(f"\n    {signing_secret}\n")
    click.echo(f"To see it work: checkend channel test {slug} {shown['id']}")


def _secret(kind: str, settings: dict[str, Any], from_stdin: bool) -> dict[str, str]:
    """Return the secret setting of the kind by its name; {} if there is none.

    Raises `CommandError` if it has to be asked for and there is no terminal, and for one among the ``settings``.
    """
    from checkend.notifications.channel_settings import secret_settings

    names = secret_settings(kind)
    if exposed := next((name for name in names if name in settings), None):
        raise CommandError(
            f"'{exposed}' is secret, and other users of this machine can see arguments. Pass it on standard input: "
            "--secret-stdin"
        )
    if not names:
        if from_stdin:
            raise CommandError(f"Channels of kind {kind!r} have no secret to enter. Omit --secret-stdin.")
        return {}
    if from_stdin:
        return {names[0]: sys.stdin.readline().strip()}
    if not has_terminal():
        if kind == "ntfy":  # its token is optional
            return {}
        raise CommandError(
            f"There is no terminal to ask for the {names[0]} at. Pass it on standard input: --secret-stdin"
        )
    entered: str = click.prompt(names[0].capitalize(), hide_input=True, default="", show_default=False, err=True)
    return {names[0]: entered.strip()}


@group.command("list", epilog="Example: checkend channel list shop --json")
@click.argument("app")
@json_option
def list_(app: str, as_json: bool) -> None:
    """List the channels of APP (its slug or id), oldest first, without their secrets."""
    with open_database():
        from checkend.models import Channel
        from checkend.schemas.channel import ChannelSchema

        channels = ChannelSchema(many=True).dump(Channel.of_app(find_app(app)))
    if as_json:
        print_json(channels)
        return
    print_table(
        ("id", "kind", "name", "enabled", "last delivered", "last error"),
        [
            (
                channel["id"],
                channel["kind"],
                channel["name"],
                "yes" if channel["enabled"] else "no",
                channel["last_delivered_at"] or "never",
                channel["last_error"],
            )
            for channel in channels
        ],
        "The app has no channel yet. Create one with `checkend channel create APP KIND NAME`.",
    )


@group.command("test", epilog="Example: checkend channel test shop 2")
@click.argument("app")
@click.argument("channel")
@json_option
def test(app: str, channel: str, as_json: bool) -> None:
    """Send a test notification through CHANNEL (its id) of APP (its slug or id), and print what became of it."""
    with open_database():
        from checkend.notifications.test_message import send_test

        found = find_channel(find_app(app), channel)
        name = found.name
        error = send_test(found).error
    if as_json:
        print_json({"status": "failed" if error else "delivered", "detail": error or "Delivered."})
    if error:
        raise CommandError(f"The test notification was not delivered. {error}")
    if not as_json:
        click.echo(f"Delivered a test notification through channel {name!r}.")


@group.command("delete", epilog="Example: checkend channel delete shop 2 --yes")
@click.argument("app")
@click.argument("channel")
@yes_option
def delete(app: str, channel: str, yes: bool) -> None:
    """Delete CHANNEL (its id) of APP (its slug or id). Its pending notifications are not sent."""
    with open_database():
        found = find_channel(find_app(app), channel)
        label = f"channel {found.name!r} (id {found.id})"
    confirm(f"Delete {label}?", yes)
    with open_database(writing=True):
        find_channel(find_app(app), channel).delete()
    click.echo(f"Deleted {label}.")
