"""All documents, and the files for deployment: their links, images and settings exist."""

import re
from pathlib import Path

import pytest

from checkend.config import SETTINGS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
DEPLOYMENT = sorted(ROOT.glob("deploy/*"))
# Variables of SDKs and commands, which are not settings of the server.
OTHER_VARIABLES = {"API_KEY", "ENDPOINT", "ENVIRONMENT", "INSTANCE_PATH", "MANAGEMENT_KEY"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^()#\s]*)(?:#([^()\s]+))?\)")


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of ``page``."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not anchor or anchor in _anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, *DEPLOYMENT], ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_exist_and_have_the_default_that_is_stated(page: Path) -> None:
    defaults = {setting.name: setting.default for setting in SETTINGS}
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\bCHECKEND_([A-Z_]+[A-Z])\b", text)) <= defaults.keys() | OTHER_VARIABLES
    for name, stated in re.findall(r"`CHECKEND_([A-Z_]+)` \(([\d,]+)\)", text):
        assert int(stated.replace(",", "")) == defaults[name], name


def test_each_image_is_shown_by_a_page() -> None:
    shown = {path for page in PAGES for path in re.findall(r"images/([\w.-]+)", page.read_text(encoding="utf-8"))}
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} == shown


def test_the_readme_links_to_every_document() -> None:
    linked = {file for file, _ in _LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"} <= linked


def test_the_index_links_to_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / file).resolve() for file, _ in _LINK.findall(index.read_text(encoding="utf-8"))}
    assert set(PAGES) - {index, ROOT / "README.md"} <= linked


def test_deployment_links_to_each_file_for_it() -> None:
    linked = {file for file, _ in _LINK.findall((ROOT / "docs" / "deployment.md").read_text(encoding="utf-8"))}
    assert DEPLOYMENT
    assert {f"../deploy/{path.name}" for path in DEPLOYMENT} <= linked
