"""``checkend config``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import command_errors, json_option, print_json

if TYPE_CHECKING:
    from checkend.config import Value


@click.command(epilog="Example: checkend config --json")
@click.option("--markdown", is_flag=True, help="Print the table of all settings for the documentation.")
@json_option
def config(markdown: bool, as_json: bool) -> None:
    """Show every setting: its value, where the value comes from, and what it does. Secrets are hidden.

    Warns of environment variables that look like settings and are none.
    """
    from checkend import config as settings
    from checkend.config.unknown_variables import unknown_variables

    if markdown:
        click.echo(settings_table())
        return
    with command_errors():
        folder = settings.instance_path()
        values = settings.load(folder)
    for warning in unknown_variables().values():
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json({"instance_path": str(folder), "settings": [_as_json(value) for value in values.values()]})
    else:
        _print(folder, values)


def _print(folder: Path, values: "dict[str, Value]") -> None:
    click.echo(f"Instance folder: {folder}")
    for value in values.values():
        setting = value.setting
        click.echo(f"\n{setting.variable} = {_shown(value)}  ({value.source})")
        click.echo(f"    {setting.help} Allowed: {setting.kind.allowed}.")


def _as_json(value: "Value") -> dict[str, Any]:
    setting = value.setting
    return {
        "name": setting.name,
        "variable": setting.variable,
        "value": _shown(value) if setting.secret else value.value,
        "source": value.source,
        "allowed": setting.kind.allowed,
        "help": setting.help,
    }


def _shown(value: "Value") -> str:
    if value.setting.secret:
        return "(hidden)" if value.value else "(empty)"
    return written(value.value)


def written(value: Any) -> str:
    """A setting's value as it is written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def settings_table() -> str:
    """Every setting as a table in Markdown, as docs/configuration.md holds it."""
    from checkend.config import SETTINGS

    rows = ["| Setting | Default | Allowed | What it does |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{written(setting.default)}`" if written(setting.default) else ""
        rows.append(f"| `{setting.variable}` | {default} | {setting.kind.allowed} | {setting.help} |")
    return "\n".join(rows)
