"""The official Python SDK, in a virtual environment of its own: it has the import name of this server."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "1.0.0"
PACKAGES = (f"checkend=={VERSION}", "pytest")


@pytest.fixture(scope="session")
def sdk_python(request: pytest.FixtureRequest) -> Path:
    """Provide the Python of an environment with the SDK and pytest, and without Checkend.

    Run it in a folder outside this checkout, whose ``checkend`` it would import instead. Made once and kept in
    pytest's cache; skips, saying why, where it is not there yet and PyPI cannot be reached.
    """
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir(f"sdk-{VERSION}-python{sys.version_info[0]}.{sys.version_info[1]}"))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of xdist
        return _environment(folder)


def _environment(folder: Path) -> Path:
    python = folder / "venv" / "bin" / "python"
    ready = folder / "ready"
    if python.exists() and ready.exists() and ready.read_text() == " ".join(PACKAGES):
        return python
    # A pip of its own, and bytecode of what the tests never import, would take most of the time.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile", "--quiet"]
    options = ["--disable-pip-version-check", "--retries=1", "--timeout=20"]
    installed = subprocess.run([*pip, *options, *PACKAGES], capture_output=True, text=True)
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        pytest.skip(f"the Python SDK cannot be installed from PyPI: {reason}")
    ready.write_text(" ".join(PACKAGES))
    return python
