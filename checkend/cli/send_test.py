"""``checkend send-test``."""

import click


@click.command("send-test")
def send_test() -> None:
    """x"""
