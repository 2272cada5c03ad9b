"""Reports as they come in, in a terminal: for ``checkend tail`` and ``checkend dev``."""

import time
from http.client import HTTPException
from itertools import groupby

import click

from checkend.cli._support.terminal import output_is_closed, style
from checkend.client.client import ApiError, Client
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
    """Prints the reports that come in at the server at ``url``: of one app, or of all."""

    def __init__(self, client: Client, url: str, app: str | None) -> None:
        self._client, self._url, self._app = client, url.rstrip("/"), app
        self._seen: dict[int, int] = {}
        self._traces = True
        self._cursor = client.arrivals(app=app)["cursor"]

    def follow(self) -> None:
        """Print what comes in, for ever. Waits for a server that cannot be reached; misses nothing.

        Raises `ApiError` when the key is not allowed to, and BrokenPipeError when the reader of the output leaves.
        """
        reachable = True
        while True:
            started = time.monotonic()
            try:
                found = self.print_next(WAIT_SECONDS)
            except (OSError, HTTPException) as error:
                if output_is_closed():
                    raise
                if reachable:
                    click.echo(f"{self._url} cannot be reached ({error}); trying again.", err=True)
                reachable, found = False, False
            else:
                if not reachable:
                    click.echo(f"{self._url} answers again.", err=True)
                reachable = True
            if not found and time.monotonic() - started < PAUSE_SECONDS:  # a busy server does not let us wait there
                time.sleep(PAUSE_SECONDS)

    def print_next(self, seconds: int) -> bool:
        """Print what has come in, waited for so long; whether there was anything."""
        answer = self._client.arrivals(after=self._cursor, wait=seconds, app=self._app)
        for arrival in answer["data"]:
            self._print(arrival)
        self._cursor = answer["cursor"]
        return bool(answer["data"])

    def _print(self, arrival: FeedEntry) -> None:
        problem = arrival["problem"]
        before = self._seen.get(problem["id"], 0)
        self._seen[problem["id"]] = before + 1
        notice = self._notice(problem, arrival["notice_id"])
        at, error_class = time.strftime("%H:%M:%S"), printable((notice or problem)["error_class"])
        message = printable((notice or problem)["error_message"] or "(no message)")
        click.echo(f"{at} {style(error_class, fg='red', bold=True)}: {message}", nl=False)
        if before:
            click.echo(style(f"  (again, {before + 1} times now)", dim=True))
            return
        click.echo()
        for line in trace(notice) if notice else []:
            click.echo(f"    {line}")
        click.echo(f"    {self._url}/problems/{problem['id']}\n")

    def _notice(self, problem: Problem, notice_id: int) -> Notice | None:
        if not self._traces:
            return None
        try:
            return self._client.notice(problem["app_id"], problem["id"], notice_id)
        except ApiError as error:
            if error.status == 403:
                self._traces = False
                click.echo("Traces need a key with notices:read too.", err=True)
            return None  # or it is gone already


def trace(notice: Notice) -> list[str]:
    """The backtrace in few lines, innermost first: the application's own frames, runs of all others as one line."""
    frames = parse_stacktrace(notice["backtrace"])
    language = detect_language(notice["notifier"], frames)
    lines = []
    for own, run in groupby(language.innermost_first(frames), lambda frame: _is_own(frame, language)):
        lines += _run_lines(list(run), own)
    rest = len(lines) - MAX_LINES
    return lines if rest <= 0 else [*lines[:MAX_LINES], f"… {rest} more lines"]


def _is_own(frame: Frame, language: Language) -> bool:
    return classify_frame(frame, language) is FrameOrigin.APPLICATION


def _run_lines(run: list[Frame], own: bool) -> list[str]:
    if own:
        return [f"→ {_line(frame)}" for frame in run]
    if len(run) == 1:
        return [f"  {_line(run[0])}"]
    return [f"  {_line(run[0])}", style(f"  … {len(run) - 1} more library frame(s)", dim=True)]


def _line(frame: Frame) -> str:
    place = printable(frame.file) + (f":{frame.line}" if frame.line > 0 else "")
    return place if frame.method == UNKNOWN else f"{place} in {printable(frame.method)}"


def printable(text: str) -> str:
    """``text`` on one line, and without what would make a terminal do something: it comes from outside."""
    line = " ".join(text.split())
    shown = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in line[:MAX_TEXT_LENGTH]
    )
    return shown if len(line) <= MAX_TEXT_LENGTH else shown + "…"
