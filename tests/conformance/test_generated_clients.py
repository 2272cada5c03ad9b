"""A client that a generator makes of the OpenAPI document works against a running server.

For TypeScript: ``python -m tests.conformance``.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.run import sample_server
from tests.docs.record import openapi

PROGRAM = """
import json, sys
from checkend_client import AuthenticatedClient
from checkend_client.api.apps import create_app, delete_app, list_apps
from checkend_client.api.problems import list_problems, resolve_problem
from checkend_client.models import AppInput

url, key = sys.argv[1:]
client = AuthenticatedClient(url, key, prefix="", auth_header_name="Checkend-API-Key")
before = [app.slug for app in list_apps.sync(client=client)]
created = create_app.sync(client=client, body=AppInput(name="Generated"))
problem = list_problems.sync("shop", client=client).data[0]
resolved = resolve_problem.sync("shop", problem.id, client=client)
deleted = delete_app.sync_detailed(created.slug, client=client)
after = [app.slug for app in list_apps.sync(client=client)]
print(json.dumps([before, created.slug, resolved.status, deleted.status_code, after]))
"""


@pytest.mark.slow
def test_a_client_of_openapi_python_client_lists_creates_resolves_and_deletes(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(openapi(), encoding="utf-8")
    generate = ["openapi_python_client", "generate", "--path", str(document), "--meta", "none"]
    made = subprocess.run(
        [sys.executable, "-m", *generate, "--output-path", str(tmp_path / "checkend_client")],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout
    with sample_server(tmp_path / "instance") as (url, key, _):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, url, key], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [["shop"], "generated", "resolved", 204, ["shop"]]
