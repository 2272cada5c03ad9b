"""``checkend secrets``: the keys that encrypt the secrets of channels."""

import click

from checkend.cli._support.output import open_database


@click.group("secrets")
def group() -> None:
    """Replace the key that encrypts the secrets of channels."""


@group.command("rotate", epilog="Example: checkend secrets rotate")
def rotate() -> None:
    """Create a new encryption key, encrypt the secrets of all channels with it, and remove the old keys.

    Works while a server is running, and can be interrupted at any point: the secrets stay readable, and the next run
    removes what is left of old keys. Secrets in backups of the database still need the old encryption_keys file.
    """
    with open_database(writing=True):
        from checkend.notifications import secret_rotation
        from checkend.notifications.encryption import secret_box

        box = secret_box()
        old_keys, count = secret_rotation.encrypt_with_new_key(box)
    with open_database(writing=True):
        secret_rotation.remove_keys(box, old_keys)
    click.echo(f"Encrypted the secrets of {count} channel{'' if count == 1 else 's'} with a new key.")
    click.echo(f"Back up {box.path}, apart from the database.")
