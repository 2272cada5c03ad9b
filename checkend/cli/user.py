"""``checkend user``: the people who can sign in."""

import sys

import click

from checkend.cli.output import confirm, json_option, open_store, print_json, print_table, yes_option
from checkend.cli.records import find_user, load


@click.group("user")
def group() -> None:
    """Make, list and delete users, and set their passwords."""


stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return entered


@group.command("create", epilog="Example: checkend user create you@example.com --site-admin")
@click.argument("email_address", metavar="EMAIL")
@click.option("--site-admin", is_flag=True, help="May do everything.")
@stdin_option
@json_option
def create(email_address: str, site_admin: bool, password_stdin: bool, as_json: bool) -> None:
    """Make a user with the address EMAIL, who signs in with it and a password of at least 8 characters."""
    password = _password(password_stdin)
    with open_store(writing=True):
        from checkend.models import User
        from checkend.schemas.user import UserSchema

        schema = UserSchema()
        fields = load(schema, {"email_address": email_address, "password": password})
        shown = schema.dump(User.create(**fields, site_admin=site_admin))
    if as_json:
        print_json(shown)
    else:
        kind = "Site admin" if site_admin else "User"
        click.echo(f"{kind} {shown['email_address']} is made (id {shown['id']}).")


@group.command("list", epilog="Example: checkend user list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the users, newest first, as the API shows them."""
    with open_store():
        from checkend.models import User
        from checkend.schemas.user import UserSchema

        users = UserSchema(many=True).dump(User.newest_first())
    if as_json:
        print_json(users)
        return
    print_table(
        ("id", "email address", "site admin", "last signed in", "made"),
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
        "There is no user yet. Make one with `checkend user create EMAIL --site-admin`.",
    )


@group.command(
    "set-password", epilog="Example: pass show checkend | checkend user set-password you@example.com --password-stdin"
)
@click.argument("email_address", metavar="EMAIL")
@stdin_option
def set_password(email_address: str, password_stdin: bool) -> None:
    """Set the password of the user EMAIL, who is signed out everywhere."""
    with open_store():
        address = find_user(email_address).email_address  # before anyone types a password for nobody
    password = _password(password_stdin)
    with open_store(writing=True):
        from checkend.models.user import NewPassword
        from checkend.schemas.user import UserSchema

        fields = load(UserSchema(), {"password": password}, partial=True)
        new = NewPassword(fields["password"])  # slow: before the first question takes the write lock
        find_user(address).set_password(new)
    click.echo(f"The password of {address} is set, and every browser is signed out.")


@group.command("delete", epilog="Example: checkend user delete you@example.com --yes")
@click.argument("email_address", metavar="EMAIL")
@yes_option
def delete(email_address: str, yes: bool) -> None:
    """Remove the user EMAIL. Refused for the last site admin, and for one who owns teams."""
    with open_store():
        address = find_user(email_address).email_address
    confirm(f"Delete the user {address}?", yes)
    with open_store(writing=True):
        find_user(address).delete()
    click.echo(f"The user {address} is deleted.")
