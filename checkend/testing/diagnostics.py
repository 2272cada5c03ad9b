"""Explain what a program reported, what was rejected and why, and likely causes: the message of a failed wait."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from checkend.ingest.routes import INGESTION_KEY_HEADER
from checkend.models.api_key import PREFIX as API_KEY_PREFIX
from checkend.testing.journal import JournalEntry

MAX_SHOWN = 10
MAX_TEXT_LENGTH = 200
SHOWN_KEY_LENGTH = 10


def describe_expectation(error_class: str | None, message: str | None) -> str:
    """Return, for example, ``problem of class 'ValueError' whose message contains 'x'``."""
    parts = ["problem"]
    if error_class:
        parts.append(f"of class {error_class!r}")
    if message:
        parts.append(f"whose message contains {message!r}")
    return " ".join(parts)


def explain(
    problems: Sequence[Mapping[str, Any]], entries: Iterable[JournalEntry], url: str, describe_key: Callable[[str], str]
) -> str:
    """Return everything known about what the program under test reported.

    ``problems`` are as the API returns them, ``entries`` the requests that belong to the test, ``describe_key``
    describes a rejected ingestion key.
    """
    entries = list(entries)
    rejected = [entry for entry in entries if is_rejected(entry)]
    unfinished = sum(not entry.finished for entry in entries)
    lines = _describe_problems(problems) + _describe_rejected(rejected, url, describe_key)
    if unfinished:
        lines.append(f"Without a response so far: {_count(unfinished, 'request')}.")
    causes = _likely_causes(problems, entries, rejected, url)
    if causes:
        lines += ["Likely causes:", *(f"  - {cause}" for cause in causes)]
    return "\n".join(lines)


def is_rejected(entry: JournalEntry) -> bool:
    """Return whether a request looks like an attempt to report that failed."""
    if not entry.finished or (entry.status is not None and entry.status < 400):
        return False
    return entry.method == "POST" or entry.path.startswith("/ingest")


def _describe_problems(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    if not problems:
        return ["Reported: nothing."]
    lines = [f"Reported: {_count(len(problems), 'problem')}."]
    for problem in problems[:MAX_SHOWN]:
        occurrences = problem["notices_count"] + problem["deduplicated_count"]
        message = _truncate(problem["error_message"] or "(no message)")
        lines.append(f"  {occurrences} x {problem['error_class']}: {message}")
    if len(problems) > MAX_SHOWN:
        lines.append(f"  and {len(problems) - MAX_SHOWN} more")
    return lines


def _describe_rejected(rejected: list[JournalEntry], url: str, describe_key: Callable[[str], str]) -> list[str]:
    if not rejected:
        return []
    lines = [f"Rejected: {_count(len(rejected), 'request')}."]
    for entry in rejected[:MAX_SHOWN]:
        status = "no response" if entry.status is None else str(entry.status)
        lines.append(f"  {entry.method} {entry.path} -> {status}: {_reason(entry, url, describe_key)}")
        if entry.status in (400, 422) and not entry.fault:
            lines.append(f"    body: {_truncate(entry.body.decode('utf-8', 'replace')) or '(empty)'}")
    if len(rejected) > MAX_SHOWN:
        lines.append(f"  and {len(rejected) - MAX_SHOWN} more")
    return lines


def _reason(entry: JournalEntry, url: str, describe_key: Callable[[str], str]) -> str:
    if entry.fault:
        return f"the fault {entry.fault!r}, which the test set"
    if not entry.path.startswith("/ingest"):
        return f"wrong path: reports go to POST {url}/ingest/v1/errors, so the endpoint to configure is {url}"
    if entry.status == 401:
        return _key_error(entry.key, describe_key)
    if entry.status in (404, 405):
        return f"wrong path or method: reports go to POST {url}/ingest/v1/errors"
    value = _parse_json(entry.answer)
    return str(value.get("error") if isinstance(value, dict) and value.get("error") else "the response gives no reason")


def _key_error(key: str, describe_key: Callable[[str], str]) -> str:
    if not key:
        return f"no key: the header {INGESTION_KEY_HEADER} was not sent"
    shown = repr(key[:SHOWN_KEY_LENGTH] + "…")
    if key.startswith(API_KEY_PREFIX):
        return f"wrong key: {shown} is an API key for the Management API, but reports need the ingestion key"
    return f"wrong key: {shown} is {describe_key(key)}"


def _likely_causes(
    problems: Sequence[Mapping[str, Any]], entries: list[JournalEntry], rejected: list[JournalEntry], url: str
) -> list[str]:
    causes = []
    if any(entry.status == 401 and not entry.fault for entry in rejected):
        causes.append("The program uses another key: set CHECKEND_API_KEY to the `ingestion_key` of this test.")
    if any(not entry.path.startswith("/ingest") for entry in rejected):
        causes.append(f"The program's endpoint contains a path: set CHECKEND_ENDPOINT to {url}, without a path.")
    if any(entry.fault for entry in rejected):
        causes.append("The program did not retry a report that failed because of a fault.")
    if problems and not rejected:
        causes.append("The program reported a different error, or fewer errors than the test expects.")
    if not any(entry.method == "POST" for entry in entries):
        causes += [
            "SDKs report only in production and staging: set CHECKEND_ENVIRONMENT=production (it is in `env`).",
            f"The program reports to another server: set CHECKEND_ENDPOINT to {url} (it is in `env`).",
            "The program exited before its SDK had sent the report: flush the SDK before the program exits.",
            "The error was caught, was ignored by a filter of the SDK, or did not occur.",
        ]
    return causes


def _parse_json(body: bytes | None) -> Any:
    import orjson

    try:
        return orjson.loads(body or b"")
    except ValueError:
        return None


def _truncate(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_LENGTH else line[:MAX_TEXT_LENGTH] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
