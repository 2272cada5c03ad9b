"""``checkend demo``: something to look at."""

import click

from checkend.cli.output import json_option, print_json, print_table, refusals
from checkend.cli.records import load


@click.command("demo", epilog="Example: CHECKEND_INSTANCE_PATH=./look-around checkend demo && checkend serve")
@click.option("--password", help="Password of everybody in the demo; made up and shown when it is not given.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number tells other stories.")
@json_option
def demo(password: str | None, seed: int, as_json: bool) -> None:
    """Fill an empty store with believable apps, months of errors, and people in every role.

    Refused when the store holds users or apps: nothing that is yours is ever touched.
    """
    import secrets

    from checkend.app import create_store_app
    from checkend.demo import fill
    from checkend.schemas.user import UserSchema

    if password is not None:
        load(UserSchema(), {"password": password}, partial=True)
    chosen = password or secrets.token_urlsafe(9)
    with refusals():
        filled = fill(create_store_app(), chosen, seed=seed, progress=_progress)
    logins = [{"email_address": address, "role": role, "password": chosen} for address, role in filled.logins]
    if as_json:
        counts = {"apps": filled.apps, "problems": filled.problems, "notices": filled.notices}
        print_json({**counts, "occurrences": filled.occurrences, "logins": logins})
        return
    click.echo(
        f"{filled.apps} apps, {filled.problems} problems, {filled.occurrences:,} occurrences "
        f"({filled.notices:,} stored). Sign in as any of these, with the password {chosen}\n"
    )
    print_table(("address", "role"), [(login["email_address"], login["role"]) for login in logins], "")


def _progress(done: int, total: int) -> None:
    click.echo(f"\r{done * 100 // total:3d}% of {total:,} reports", nl=done == total, err=True)
