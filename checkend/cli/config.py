"""``checkend config``: the settings and their sources."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.output import command_errors, json_option, print_json

if TYPE_CHECKING:
    from checkend.config import Value


@click.command(epilog="Example: checkend config --json")
@click.option("--markdown", is_flag=True, help="Print all settings as a Markdown table, for the documentation.")
@json_option
def config(markdown: bool, as_json: bool) -> None:
    """Show every setting: its value, the source of the value, and what it does. Secrets are hidden.

    Environment variables that begin with CHECKEND_ but are not settings are reported as warnings.
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
        click.echo(f"\n{setting.variable} = {_display_value(value)}  ({value.source})")
        click.echo(f"    {setting.help} Allowed: {setting.kind.allowed}.")


def _as_json(value: "Value") -> dict[str, Any]:
    setting = value.setting
    return {
        "name": setting.name,
        "variable": setting.variable,
        "value": _display_value(value) if setting.secret else value.value,
        "source": value.source,
        "allowed": setting.kind.allowed,
        "help": setting.help,
    }


def _display_value(value: "Value") -> str:
    if value.setting.secret:
        return "(hidden)" if value.value else "(empty)"
    return format_value(value.value)


def format_value(value: Any) -> str:
    """Return a setting's value as it is written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def settings_table() -> str:
    """Return the Markdown table of all settings in docs/configuration.md."""
    from checkend.config import SETTINGS

    rows = ["| Setting | Default | Allowed | What it does |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{format_value(setting.default)}`" if format_value(setting.default) else ""
        rows.append(f"| `{setting.variable}` | {default} | {setting.kind.allowed} | {setting.help} |")
    return "\n".join(rows)
