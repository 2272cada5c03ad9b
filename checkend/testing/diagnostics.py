"""What arrived, what was refused and why, and the likely causes: the text of a wait that was in vain."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from checkend.ingest.routes import INGESTION_KEY_HEADER
from checkend.models.api_key import PREFIX as API_KEY_PREFIX
from checkend.testing.journal import JournalEntry

MAX_SHOWN = 10
MAX_TEXT_LENGTH = 200
SHOWN_KEY_LENGTH = 10


def describe_expectation(error_class: str | None, message: str | None, count: int) -> str:
    """``3 reports of ValueError whose message contains 'x'``"""
    reports = "No problem" if count == 0 else "A problem" if count == 1 else f"A problem with {count} reports"
    parts = [reports]
    if error_class:
        parts.append(f"of class {error_class!r}")
    if message:
        parts.append(f"whose message contains {message!r}")
    return " ".join(parts)


def explain(
    problems: Sequence[Mapping[str, Any]], entries: Iterable[JournalEntry], url: str, key_kind: Callable[[str], str]
) -> str:
    """All that is known of what the program under test reported.

    ``problems`` are as the API shows them, ``entries`` the requests that concern the test, ``key_kind`` says in words
    what an ingestion key that was refused is.
    """
    entries = list(entries)
    refused = [entry for entry in entries if is_rejected(entry)]
    waiting = [entry for entry in entries if not entry.finished]
    lines = _arrived(problems) + _refused(refused, url, key_kind)
    if waiting:
        lines.append(f"Not answered yet: {len(waiting)} request(s).")
    causes = _causes(problems, entries, refused, url)
    if causes:
        lines += ["Likely causes:", *(f"  - {cause}" for cause in causes)]
    return "\n".join(lines)


def is_rejected(entry: JournalEntry) -> bool:
    """Whether a request looks like an attempt to report that came to nothing."""
    if not entry.finished or (entry.status is not None and entry.status < 400):
        return False
    return entry.method == "POST" or entry.path.startswith("/ingest")


def _arrived(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    if not problems:
        return ["Arrived: nothing."]
    lines = [f"Arrived: {len(problems)} problem(s)."]
    for problem in problems[:MAX_SHOWN]:
        times = problem["notices_count"] + problem["deduplicated_count"]
        lines.append(f"  {times} x {problem['error_class']}: {_short(problem['error_message'] or '(no message)')}")
    if len(problems) > MAX_SHOWN:
        lines.append(f"  and {len(problems) - MAX_SHOWN} more")
    return lines


def _refused(refused: list[JournalEntry], url: str, key_kind: Callable[[str], str]) -> list[str]:
    if not refused:
        return []
    lines = [f"Refused: {len(refused)} request(s)."]
    for entry in refused[:MAX_SHOWN]:
        status = "no answer" if entry.status is None else str(entry.status)
        lines.append(f"  {entry.method} {entry.path} -> {status}: {_reason(entry, url, key_kind)}")
        if entry.status in (400, 422) and not entry.fault:
            lines.append(f"    its body: {_short(entry.body.decode('utf-8', 'replace')) or '(empty)'}")
    if len(refused) > MAX_SHOWN:
        lines.append(f"  and {len(refused) - MAX_SHOWN} more")
    return lines


def _reason(entry: JournalEntry, url: str, key_kind: Callable[[str], str]) -> str:
    if entry.fault:
        return f"the fault {entry.fault!r}, which the test asked for"
    if not entry.path.startswith("/ingest"):
        return f"wrong path; reports go to POST {url}/ingest/v1/errors, so the endpoint to configure is {url}"
    if entry.status == 401:
        return f"wrong key; {_key_in_words(entry.key, key_kind)}"
    if entry.status in (404, 405):
        return f"wrong path or method; reports go to POST {url}/ingest/v1/errors"
    value = _json(entry.answer)
    return str(value.get("error") if isinstance(value, dict) and value.get("error") else "no reason was given")


def _key_in_words(key: str, key_kind: Callable[[str], str]) -> str:
    if not key:
        return f"none was sent in the header {INGESTION_KEY_HEADER}"
    shown = repr(key[:SHOWN_KEY_LENGTH] + "…")
    if key.startswith(API_KEY_PREFIX):
        return f"{shown} is a key of the Management API, and reports need the ingestion key"
    return f"{shown} is {key_kind(key)}"


def _causes(
    problems: Sequence[Mapping[str, Any]], entries: list[JournalEntry], refused: list[JournalEntry], url: str
) -> list[str]:
    causes = []
    if any(entry.status == 401 and not entry.fault for entry in refused):
        causes.append("The program has another key: set CHECKEND_API_KEY to the `ingestion_key` of this test.")
    if any(not entry.path.startswith("/ingest") for entry in refused):
        causes.append(f"The program has a path in its endpoint: set CHECKEND_ENDPOINT to {url}, without any.")
    if any(entry.fault for entry in refused):
        causes.append("The program did not send again what a fault made fail.")
    if problems and not refused:
        causes.append("The program reported, but something else, or less often than the test expects.")
    if not any(entry.method == "POST" for entry in entries):
        causes += [
            "SDKs are silent outside production and staging: set CHECKEND_ENVIRONMENT=production (it is in `env`).",
            f"The program reports elsewhere: set CHECKEND_ENDPOINT to {url} (it is in `env`).",
            "The program ended before its SDK had sent: flush it at the end.",
            "The error was caught, ignored by a filter of the SDK, or did not happen.",
        ]
    return causes


def _json(body: bytes | None) -> Any:
    import orjson

    try:
        return orjson.loads(body or b"")
    except ValueError:
        return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_LENGTH else line[:MAX_TEXT_LENGTH] + "…"
