"""``checkend db``."""

import click


@click.group("db")
def group() -> None:
    """Upgrade, back up, restore and check the store."""
