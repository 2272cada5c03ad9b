"""Every ``checkend`` command in the documents and the files for deployment exists, and so does each of its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from checkend.cli import main
from tests.docs.test_pages import DEPLOYMENT, PAGES, ROOT

_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?<![\w@.:/-])(?:[\w./]*/bin/)?checkend(?:-server)? ([a-z][^\n`|&;()]*)")
_INSTALLS = re.compile(r"^.*\b(?:pip|pipx|uv tool) (?:un)?install\b.*$", re.MULTILINE)


def _code(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return "\n".join(_CODE.findall(text)) if page.suffix == ".md" else text


def mistakes(code: str) -> Iterator[str]:
    """Yield what the commands in ``code`` name that does not exist."""
    for arguments in _COMMAND.findall(_INSTALLS.sub("", code.replace("\\\n", " "))):
        words = shlex.split(arguments.replace("'", ""), comments=True)
        if words[0].startswith("checkend"):  # `docker exec checkend checkend status`, or a list of folders
            words = words[1:]
        command: click.Command = main
        while isinstance(command, click.Group) and words:
            found = command.commands.get(words[0])
            if found is None:
                yield f"checkend {arguments}: there is no {words[0]!r}"
                break
            command, words = found, words[1:]
        else:
            options = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h", "--version"}
            words = words[: words.index("--")] if "--" in words else words  # after it: the command that is run
            given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            yield from (f"checkend {arguments}: there is no {name}" for name in sorted(given - options))


@pytest.mark.parametrize("page", [*PAGES, *DEPLOYMENT], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    assert list(mistakes(_code(page))) == []


@pytest.mark.parametrize(
    "code",
    [
        "checkend sevre",
        "$ checkend db back-up /tmp/x",
        "checkend serve --prot 9000",
        "/opt/checkend/bin/checkend app create Shop \\\n  --enviroment production",
        "docker exec checkend checkend stauts",
        "pass show x | checkend user set-password a@b.c --password-stdim",
        "CHECKEND_PORT=1 uvx checkend-server sevre",
    ],
)
def test_a_mistake_in_a_command_is_found(code: str) -> None:
    assert len(list(mistakes(code))) == 1


def test_commands_are_found_in_the_documents() -> None:
    code = "\n".join(_code(page) for page in PAGES)
    named = {tuple(arguments.split()[:2]) for arguments in _COMMAND.findall(code)}
    assert {("db", "backup"), ("channel", "create"), ("problem", "list")} < named
