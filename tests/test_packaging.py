"""The sdist and the wheel are complete, and a wheel can be built from the sdist alone."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".ci", "benchmarks", "checkend", "deploy", "docs", "tests")
FILES = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md", "SECURITY.md"),
    *("constraints.txt", "pyproject.toml", "setup.py", "wsgi.py"),
)
pytestmark = pytest.mark.slow


class Built(NamedTuple):
    """The files of the sdist and the wheel, and two files of the wheel's metadata."""

    sdist: set[str]
    wheel: set[str]
    metadata: str
    entry_points: str


def _build(hook: str, source: Path, target: Path) -> Path:
    """Call a hook of the build backend in ``source``, and return the file that it built."""
    call = f"from setuptools import build_meta; print(build_meta.{hook}({str(target)!r}))"
    done = subprocess.run([sys.executable, "-c", call], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


def _files(folder: str) -> set[str]:
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in paths}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Provide an sdist of this checkout, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name)
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    with tarfile.open(_build("build_sdist", source, folder)) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    with zipfile.ZipFile(_build("build_wheel", unpacked, folder)) as wheel:
        metadata, entry_points = (
            wheel.read(next(name for name in wheel.namelist() if name.endswith(f".dist-info/{file}"))).decode()
            for file in ("METADATA", "entry_points.txt")
        )
        return Built(names, set(wheel.namelist()), metadata, entry_points)


def test_the_sdist_has_every_file_of_the_project(built: Built) -> None:
    expected = set(FILES).union(*map(_files, FOLDERS))
    generated = {name for name in built.sdist if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert built.sdist - generated == expected


def test_the_wheel_has_every_file_of_the_package_and_no_other(built: Built) -> None:
    package = {name for name in built.wheel if ".dist-info/" not in name}
    assert package == _files("checkend")
    assert {"checkend/py.typed", "checkend/web/templates/base.html", "checkend/web/static/checkend.css"} < package
    assert "checkend/db/migrations/versions/0001_initial.py" in package


def test_the_wheel_installs_the_command_under_two_names(built: Built) -> None:
    scripts = built.entry_points.partition("[console_scripts]\n")[2].partition("\n\n")[0]
    assert scripts.split("\n") == ["checkend = checkend.cli:main", "checkend-server = checkend.cli:main"]


def test_a_package_index_shows_the_readme_with_links_that_lead_to_the_repository(built: Built) -> None:
    head, _, readme = built.metadata.partition("\n\n")
    urls = dict(re.findall(r"^Project-URL: (\w+), (\S+)$", head, re.MULTILINE))
    assert urls.keys() == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert "Description-Content-Type: text/markdown" in head
    links = re.findall(r"\]\(([^)\s]+)\)", readme)
    assert f"{urls['Homepage']}/blob/HEAD/docs/api.md" in links
    assert f"{urls['Homepage']}/raw/HEAD/docs/images/problem-light.png" in links
    assert [link for link in links if not link.startswith("https://")] == []
