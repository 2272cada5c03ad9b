"""The data that the examples of the documents begin with: made as operators and SDKs make it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from flask.testing import FlaskClient

from checkend.cli import main

RUBY = {"name": "checkend-ruby", "version": "1.0.0", "language": "ruby", "language_version": "3.4.1"}
BROWSER = {"name": "@checkend/browser", "version": "1.0.0", "language": "javascript"}
NO_TOTAL: dict[str, Any] = {
    "error": {
        "class": "NoMethodError",
        "message": "undefined method 'total' for nil",
        "backtrace": [
            "[PROJECT_ROOT]/app/models/cart.rb:42:in 'Cart#total'",
            "[PROJECT_ROOT]/app/controllers/orders_controller.rb:17:in 'OrdersController#create'",
        ],
        "tags": ["checkout"],
        "occurred_at": "2026-11-24T08:59:30Z",
    },
    "context": {"environment": "production", "order_id": 1017},
    "request": {"url": "https://shop.example/orders", "method": "POST"},
    "user": {"id": "7", "email": "customer@example.com"},
    "notifier": RUBY,
}
NO_CURRENCY: dict[str, Any] = {
    "error": {
        "class": "TypeError",
        "message": "Cannot read properties of undefined (reading 'currency')",
        "backtrace": ["at formatPrice (https://shop.example/assets/app.js:120:17)"],
        "occurred_at": "2026-11-24T08:30:00Z",
    },
    "context": {"environment": "production"},
    "request": {"url": "https://shop.example/cart"},
    "notifier": BROWSER,
}
REPORTS = (
    NO_CURRENCY,
    NO_TOTAL,
    NO_TOTAL,  # within the deduplication window: a duplicate
    NO_TOTAL | {"error": NO_TOTAL["error"] | {"backtrace": NO_TOTAL["error"]["backtrace"][:1]}, "user": {"id": "8"}},
)
USERS = ("grace@example.com", "alan@example.com")
PASSWORD = "correct horse battery"


def run_commands(instance: Path, advance_clock: Callable[[], None]) -> dict[str, str]:
    """Create the database in ``instance``, an app, a site admin and API keys; return the variables of the examples."""

    def run(*arguments: str, stdin: str | None = None) -> dict[str, Any]:
        advance_clock()
        with patch.dict(os.environ, {"CHECKEND_INSTANCE_PATH": str(instance)}):
            result = CliRunner().invoke(main, [*arguments, "--json"], input=stdin, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    ingestion_key = run("app", "create", "Shop", "--environment", "production")["ingestion_key"]
    run("user", "create", "ada@example.com", "--site-admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    return {
        "CHECKEND_API_KEY": ingestion_key,
        "CHECKEND_MANAGEMENT_KEY": run("api-key", "create", "docs", "--all")["key"],
        "READ_ONLY_KEY": run("api-key", "create", "wall display", "--permission", "problems:read")["key"],
    }


def send_requests(client: FlaskClient, variables: dict[str, str], advance_clock: Callable[[], None]) -> None:
    """Add users, a team and reports to the database that the app of ``client`` serves."""
    api_key = {"Checkend-API-Key": variables["CHECKEND_MANAGEMENT_KEY"]}
    ingestion_key = {"Checkend-Ingestion-Key": variables["CHECKEND_API_KEY"]}
    requests: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        *(("/api/v1/users", {"email_address": address, "password": PASSWORD}, api_key) for address in USERS),
        ("/api/v1/teams", {"name": "Storefront", "owner_id": 1}, api_key),
        ("/api/v1/teams/storefront/members", {"user_id": 2, "role": "developer"}, api_key),
        ("/api/v1/teams/storefront/apps", {"app_id": "shop"}, api_key),
        *(("/ingest/v1/errors", report, ingestion_key) for report in REPORTS),
    ]
    for path, body, headers in requests:
        advance_clock()
        response = client.post(path, json=body, headers=headers)
        assert response.status_code == 201, response.text
