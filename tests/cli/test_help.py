"""The ``--help`` of every command, and its documentation."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from checkend.cli import main

DOCS = Path(__file__).parents[2] / "docs"


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


COMMANDS = list(commands(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert f"checkend {' '.join(path)}" in shown.output.partition("Example: ")[2]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_in_the_docs(path: tuple[str, ...]) -> None:
    assert f"checkend {' '.join(path)}" in (DOCS / "command-line.md").read_text()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from checkend.cli import main; main(['--help'], standalone_mode=False); "
        "heavy = {'flask', 'sqlalchemy', 'marshmallow', 'alembic', 'waitress'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_table_in_the_docs_is_that_of_the_settings() -> None:
    table = CliRunner().invoke(main, ["config", "--markdown"]).output
    assert table in (DOCS / "configuration.md").read_text(), "put what `checkend config --markdown` prints there"
