"""Prints reports as a server receives them, for ``checkend tail`` and ``checkend dev``."""

import time
from http.client import HTTPException
from itertools import groupby

import click

from checkend.cli._support.output import pluralize
from checkend.cli._support.terminal import output_is_closed, style
from checkend.client import ApiError, Client
from checkend.client.types import FeedEntry, Notice, Problem
from checkend.grouping.frames import FrameOrigin, classify_frame
from checkend.grouping.language import Language
from checkend.grouping.languages import detect_language
from checkend.grouping.stacktrace import UNKNOWN, Frame, parse_stacktrace

WAIT_SECONDS = 20
PAUSE_SECONDS = 1.0
MAX_LINES = 20
MAX_TEXT_LENGTH = 2_000


class TailPrinter:
    """Prints the reports that the server at ``url`` receives: those of one app (its slug or id), or of all."""

    def __init__(self, client: Client, url: str, app: str | None) -> None:
        self._client, self._url, self._app = client, url.rstrip("/"), app
        self._counts: dict[int, int] = {}  # printed reports by problem id
        self._may_read_notices = True
        self._cursor = client.arrivals(app=app)["cursor"]

    def follow(self) -> None:
        """Print reports indefinitely. While the server cannot be reached, retry; reports stored meanwhile follow.

        Raises `ApiError` if the server rejects the request, and BrokenPipeError if the reader of the output exits.
        """
        reachable = True
        while True:
            started = time.monotonic()
            try:
                has_printed = self.print_next(WAIT_SECONDS)
            except (OSError, HTTPException) as error:
                if output_is_closed():
                    raise
                if reachable:
                    click.echo(f"{self._url} cannot be reached ({error}); retrying.", err=True)
                reachable, has_printed = False, False
            else:
                if not reachable:
                    click.echo(f"{self._url} can be reached again.", err=True)
                reachable = True
            if not has_printed and time.monotonic() - started < PAUSE_SECONDS:  # a busy server responds without waiting
                time.sleep(PAUSE_SECONDS)

    def print_next(self, seconds: int) -> bool:
        """Print the reports since the last call, and return whether there were any; wait up to ``seconds`` for one."""
        feed = self._client.arrivals(after=self._cursor, wait=seconds, app=self._app)
        for entry in feed["data"]:
            self._print(entry)
        self._cursor = feed["cursor"]
        return bool(feed["data"])

    def _print(self, entry: FeedEntry) -> None:
        problem = entry["problem"]
        count = self._counts[problem["id"]] = self._counts.get(problem["id"], 0) + 1
        notice = self._fetch_notice(problem, entry["notice_id"])
        received_at, error_class = time.strftime("%H:%M:%S"), printable((notice or problem)["error_class"])
        message = printable((notice or problem)["error_message"] or "(no message)")
        click.echo(f"{received_at} {style(error_class, fg='red', bold=True)}: {message}", nl=False)
        if count > 1:
            click.echo(style(f"  (again, {count} times now)", dim=True))
            return
        click.echo()
        for line in format_stacktrace(notice) if notice else []:
            click.echo(f"    {line}")
        click.echo(f"    {self._url}/problems/{problem['id']}\n")

    def _fetch_notice(self, problem: Problem, notice_id: int) -> Notice | None:
        if not self._may_read_notices:
            return None
        try:
            return self._client.notice(problem["app_id"], problem["id"], notice_id)
        except ApiError as error:
            if error.status == 403:
                self._may_read_notices = False
                click.echo("Stack traces require an API key with notices:read, too.", err=True)
            return None  # a 404 means that the notice has been deleted already


def format_stacktrace(notice: Notice) -> list[str]:
    """Return the stack trace in at most `MAX_LINES` lines, innermost first; runs of library frames are collapsed."""
    frames = parse_stacktrace(notice["backtrace"])
    language = detect_language(notice["notifier"], frames)
    lines = []
    for is_in_app, run in groupby(language.innermost_first(frames), lambda frame: _is_in_app(frame, language)):
        lines += _format_run(list(run), is_in_app)
    rest = len(lines) - MAX_LINES
    return lines if rest <= 0 else [*lines[:MAX_LINES], f"… {pluralize(rest, 'more line')}"]


def _is_in_app(frame: Frame, language: Language) -> bool:
    return classify_frame(frame, language) is FrameOrigin.APPLICATION


def _format_run(run: list[Frame], is_in_app: bool) -> list[str]:
    if is_in_app:
        return [f"→ {_format_frame(frame)}" for frame in run]
    first, rest = f"  {_format_frame(run[0])}", len(run) - 1
    return [first, style(f"  … {pluralize(rest, 'more library frame')}", dim=True)] if rest else [first]


def _format_frame(frame: Frame) -> str:
    location = printable(frame.file) + (f":{frame.line}" if frame.line > 0 else "")
    return location if frame.method == UNKNOWN else f"{location} in {printable(frame.method)}"


def printable(text: str) -> str:
    """Return ``text`` on one line, truncated, and with control characters escaped.

    Reports come from anywhere: an escape sequence in one must not control the terminal.
    """
    line = " ".join(text.split())
    escaped = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in line[:MAX_TEXT_LENGTH]
    )
    return escaped if len(line) <= MAX_TEXT_LENGTH else escaped + "…"
