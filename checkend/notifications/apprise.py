"""Deliver through Apprise, in a process of its own that is limited in time, memory and what it may connect to.

Apprise brings its own HTTP clients, which resolve names and follow redirects by themselves. The process
`checkend.notifications.apprise_process` therefore checks each connection as it is made. It receives the URL, which is
secret, on standard input: others can see arguments and environment variables.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from checkend.notifications.channels import apprise as kind
from checkend.notifications.message import Notification
from checkend.notifications.outbound_policy import OutboundPolicy
from checkend.notifications.outbox import REJECTION_STATUSES, Outcome

TIMEOUT_SECONDS = 20.0
RETRY_STATUSES = frozenset({408, 425, 429})
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def send(policy: OutboundPolicy, url: str, notification: Notification) -> Outcome:
    """Deliver ``notification`` to the Apprise URL. Takes `TIMEOUT_SECONDS` at most."""
    title, body = kind.build_message(notification)
    request = {
        "url": url,
        "title": title,
        "body": body,
        "seconds": TIMEOUT_SECONDS,
        "allow_private": policy.allow_private,
        "allowed_hosts": sorted(policy.allowed_hosts),
        "allowed_networks": [str(network) for network in policy.allowed_networks],
    }
    try:
        return _outcome(_run(request))
    except subprocess.TimeoutExpired:
        return Outcome(f"The notification was not delivered within {TIMEOUT_SECONDS:g} seconds.")
    except (OSError, ValueError) as error:
        return Outcome(f"Apprise could not be run: {type(error).__name__}.")


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Run the process, in an empty folder that takes the place of the home folder, and return what it responds."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="checkend-apprise-") as folder:
        process = subprocess.run(
            [sys.executable, "-m", "checkend.notifications.apprise_process"],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            env=kept | {"HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=Path(folder),
            start_new_session=True,
        )
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def _outcome(result: dict[str, Any]) -> Outcome:
    if not result["error"]:
        return Outcome()
    status: int | None = result["status"]
    is_transient = status is None or status >= 500 or status in RETRY_STATUSES or status in REJECTION_STATUSES
    return Outcome(result["error"], status, permanent=result["rejected"] or not is_transient)
