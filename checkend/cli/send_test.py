"""``checkend send-test``."""

from collections.abc import Mapping
from typing import Any

import click

from checkend.cli._support.options import url_option
from checkend.cli._support.output import CommandError, json_option, open_database, print_json
from checkend.cli._support.records import find_app

TIMEOUT_SECONDS = 15


@click.command("send-test", epilog="Example: checkend send-test shop --url https://errors.example.com")
@click.argument("app")
@url_option
@json_option
def send_test(app: str, url: str | None, as_json: bool) -> None:
    """Send an error to the running server as APP (its slug or id) would, and print where to see it.

    It goes over HTTP with the app's ingestion key, as reports of an SDK do. All tests of an app are one problem.
    """
    with open_database():
        from flask import current_app

        found = find_app(app)
        key, name = found.ingestion_key, found.name
        server = (url or configured_url(current_app.config)).rstrip("/")
    answer = _post(server, key, _report())
    seen_at = f"{server}/problems/{answer['problem_id']}"
    if as_json:
        print_json(answer | {"url": seen_at})
        return
    how = "counted as a repeat" if answer["deduplicated"] else "stored"
    click.echo(f"A test error of app {name!r} was sent to {server} and {how}.")
    click.echo(f"See it at {seen_at}")


def configured_url(config: Mapping[str, Any]) -> str:
    """Where the settings say that this machine's server answers."""
    if config["URL"]:
        return str(config["URL"])
    from checkend.config.urls import local_url

    return local_url(config["HOST"], config["PORT"])


def _report() -> dict[str, Any]:
    import platform

    from checkend import __version__, clock

    return {
        "error": {
            "class": "CheckendTestError",
            "message": "A test error, sent by `checkend send-test`. Nothing is broken.",
            "backtrace": [f"{__file__}:1 in send_test"],
            "fingerprint": "checkend-send-test",
            "occurred_at": clock.iso(clock.now()),
            "tags": ["test"],
        },
        "context": {"environment": "test", "hostname": platform.node()},
        "notifier": {
            "name": "checkend-server",
            "version": __version__,
            "language": "python",
            "language_version": platform.python_version(),
        },
    }


def _post(server: str, key: str, report: dict[str, Any]) -> dict[str, Any]:
    """The server's answer to the report. Raises `CommandError` for any other than success."""
    import json
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    try:
        request = Request(
            f"{server}/ingest/v1/errors",
            json.dumps(report).encode(),
            {"Content-Type": "application/json", "Checkend-Ingestion-Key": key},
        )
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            answer = json.load(response)
        if not (isinstance(answer, dict) and {"problem_id", "deduplicated"} <= answer.keys()):
            raise ValueError
    except HTTPError as error:
        with error:
            told = error.read(500).decode("utf-8", "replace").strip()
        raise CommandError(f"The server at {server} answered {error.code}: {told}") from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(f"No server answers at {server} ({reason}). Is it running? --url names another.") from None
    except ValueError:
        raise CommandError(f"What answers at {server} is no Checkend server. --url names another.") from None
    return answer
