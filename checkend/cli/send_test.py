"""``checkend send-test``: a test error, to verify that reports arrive."""

from typing import Any

import click

from checkend.cli._support.options import configured_url, url_option
from checkend.cli._support.output import CommandError, json_option, open_database, print_json
from checkend.cli._support.records import find_app

TIMEOUT_SECONDS = 15


@click.command("send-test", epilog="Example: checkend send-test shop --url https://errors.example.com")
@click.argument("app")
@url_option
@json_option
def send_test(app: str, url: str | None, as_json: bool) -> None:
    """Send a test error to the running server as APP (its slug or id), and print its URL in the dashboard.

    It is sent over HTTP with the app's ingestion key, like the reports of an SDK. All test errors of an app are grouped
    into one problem.
    """
    with open_database():
        from flask import current_app

        record = find_app(app)
        key, name = record.ingestion_key, record.name
        server = (url or configured_url(current_app.config)).rstrip("/")
    result = _post(server, key, _report())
    problem_url = f"{server}/problems/{result['problem_id']}"
    if as_json:
        print_json(result | {"url": problem_url})
        return
    outcome = "counted as a duplicate" if result["deduplicated"] else "stored"
    click.echo(f"Sent a test error for app {name!r} to {server}. It was {outcome}.")
    click.echo(f"View it at {problem_url}")


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
    """Send a report, and return the response. Raises `CommandError` if the server does not accept it.

    Unlike `checkend.client`, this uses the proxies in the environment, as the SDKs do.
    """
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
            result = json.load(response)
        if not (isinstance(result, dict) and {"problem_id", "deduplicated"} <= result.keys()):
            raise ValueError
    except HTTPError as error:
        with error:
            body = error.read(500).decode("utf-8", "replace").strip()
        raise CommandError(f"The server at {server} responded with status {error.code}: {body}") from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(
            f"No server responds at {server} ({reason}). Start it, or specify its URL with --url."
        ) from None
    except ValueError:
        raise CommandError(
            f"The server at {server} is not a Checkend server. Specify the URL of a Checkend server with --url."
        ) from None
    return result
