"""``checkend secrets``: the keys that encrypt the secrets in the database."""

from typing import TYPE_CHECKING

import click

from checkend.cli._support.output import open_database

if TYPE_CHECKING:
    from checkend.notifications.secret_rotation import Rotation


@click.group("secrets")
def group() -> None:
    """Replace the key that encrypts the secrets in the database."""


@group.command("rotate", epilog="Example: checkend secrets rotate")
def rotate() -> None:
    """Create a new encryption key, encrypt all secrets with it, and remove the old keys.

    These are the secrets of channels, the SMTP password and mail that waits to be sent.

    Works while a server is running, and can be interrupted at any point: the secrets stay readable, and the next run
    removes what is left of old keys. Secrets in backups of the database still need the old encryption_keys file.
    """
    with open_database(writing=True):
        from checkend.notifications import secret_rotation
        from checkend.notifications.encryption import secret_box

        box = secret_box()
        done = secret_rotation.encrypt_with_new_key(box)
    with open_database(writing=True):
        secret_rotation.remove_keys(box, done.old_keys)
    click.echo(f"Encrypted {_describe(done)} with a new key.")
    click.echo(f"Back up {box.path}, apart from the database.")


def _describe(done: "Rotation") -> str:
    items = [f"the secrets of {done.channels} channel{'' if done.channels == 1 else 's'}"]
    if done.password:
        items.append("the SMTP password")
    if done.mails:
        items.append(f"{done.mails} waiting mail{'' if done.mails == 1 else 's'}")
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
