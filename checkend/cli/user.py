"""``checkend user``: users of the dashboard."""

import sys

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
from checkend.cli._support.records import find_user, load_fields
from checkend.cli._support.terminal import has_terminal


@click.group("user")
def group() -> None:
    """Create, list and delete users, and set their passwords."""


stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def _password(from_stdin: bool) -> str:
    """Return the password from standard input or a prompt. Raises `CommandError` if there is no terminal to prompt."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not has_terminal():
        raise CommandError(
            "There is no terminal to prompt for the password. Pass it on standard input: --password-stdin"
        )
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="Repeat the password", err=True)
    return entered


@group.command("create", epilog="Example: checkend user create you@example.com --site-admin")
@click.argument("email_address", metavar="EMAIL")
@click.option("--site-admin", is_flag=True, help="Allow the user to do everything.")
@stdin_option
@json_option
def create(email_address: str, site_admin: bool, password_stdin: bool, as_json: bool) -> None:
    """Create a user with the email address EMAIL and a password of at least 8 characters.

    Prompts for the password; without a terminal, pass it with --password-stdin.
    """
    password = _password(password_stdin)
    with open_database(writing=True, create=True):
        from checkend.models import User
        from checkend.schemas.user import UserSchema

        schema = UserSchema()
        fields = load_fields(schema, {"email_address": email_address, "password": password})
        shown = schema.dump(User.create(**fields, site_admin=site_admin))
    if as_json:
        print_json(shown)
    else:
        kind = "site admin" if site_admin else "user"
        click.echo(f"Created {kind} {shown['email_address']} (id {shown['id']}).")


@group.command("list", epilog="Example: checkend user list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the users, newest first."""
    with open_database():
        from checkend.models import User
        from checkend.schemas.user import UserSchema

        users = UserSchema(many=True).dump(User.newest_first())
    if as_json:
        print_json(users)
        return
    print_table(
        ("id", "email address", "site admin", "last signed in", "created"),
        [
            (
                user["id"],
                user["email_address"],
                "yes" if user["site_admin"] else "no",
                user["last_logged_in_at"] or "never",
                user["created_at"],
            )
            for user in users
        ],
        "There are no users yet. Create one with `checkend user create EMAIL --site-admin`.",
    )


@group.command(
    "set-password", epilog="Example: pass show checkend | checkend user set-password you@example.com --password-stdin"
)
@click.argument("email_address", metavar="EMAIL")
@stdin_option
def set_password(email_address: str, password_stdin: bool) -> None:
    """Set the password of the user EMAIL, and sign the user out everywhere."""
    with open_database():
        address = find_user(email_address).email_address  # before the prompt
    password = _password(password_stdin)
    with open_database(writing=True):
        from checkend.models.user import NewPassword
        from checkend.schemas.user import UserSchema

        fields = load_fields(UserSchema(), {"password": password}, partial=True)
        password_hash = NewPassword(fields["password"])  # slow, so before the first statement takes the write lock
        find_user(address).set_password(password_hash)
    click.echo(f"Set the password of {address}, and signed the user out everywhere.")


@group.command("delete", epilog="Example: checkend user delete you@example.com --yes")
@click.argument("email_address", metavar="EMAIL")
@yes_option
def delete(email_address: str, yes: bool) -> None:
    """Delete the user EMAIL. The last site admin and owners of teams cannot be deleted."""
    with open_database():
        address = find_user(email_address).email_address
    confirm(f"Delete user {address}?", yes)
    with open_database(writing=True):
        find_user(address).delete()
    click.echo(f"Deleted user {address}.")
