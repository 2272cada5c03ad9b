"""Run Schemathesis with all checks and phases against a server with sample data."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from checkend.app import create_app
from checkend.services import services
from tests.docs.world import run_commands, send_requests
from tests.support.server_process import LiveServer, command

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
ALL_PHASES = "examples,coverage,fuzzing,stateful"


@contextmanager
def sample_server(instance: Path) -> Iterator[tuple[str, str, str]]:
    """Serve sample data; provide the URL, an API key with all permissions, and one without any for most routes."""
    variables = run_commands(instance, lambda: None)
    app = create_app(instance_path=instance)
    send_requests(app.test_client(), variables, lambda: None)
    services(app).close()
    weak = command(instance, "api-key", "create", "weak", "--permission", "tags:read")["key"]
    with LiveServer(instance, RATE_LIMIT_ENABLED="false", LOG_LEVEL="error") as server:
        yield server.url, variables["CHECKEND_MANAGEMENT_KEY"], weak


def run_schemathesis(
    url: str, key: str, *, phases: str, max_examples: int, seed: int, output: int | None = None
) -> tuple[int, str]:
    """Run the phases with all checks; return the exit status and what was printed.

    ``max_examples`` is the number of requests for each operation, in the phases that choose them at random.
    """
    options = ["run", f"{url}/api/v1/openapi.json", "--checks", "all", "--phases", phases]
    options += ["--max-examples", str(max_examples), "--seed", str(seed), "--generation-database", "none"]
    options += ["--continue-on-failure", "--no-color", "--request-timeout", "40", "--warnings", "off"]
    with NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(CONFIG.read_text(encoding="utf-8"))
        config.write(f'[auth.openapi.apiKey]\napi_key = "{key}"\n')
        config.flush()
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", config.name, *options],
            env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.conformance.hooks"},
            cwd=ROOT,
            stdout=output if output is not None else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return done.returncode, done.stdout or ""
