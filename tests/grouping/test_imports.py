"""Grouping and scrubbing are usable without a web framework and a database."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["checkend.grouping.fingerprint", "checkend.scrubbing.scrubber"])
def test_grouping_and_scrubbing_import_neither_flask_nor_sqlalchemy(module: str) -> None:
    program = f"import sys, {module}; print({{'flask', 'sqlalchemy', 'sqlite3'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
