"""Every icon that a template uses is served."""

import re
from pathlib import Path

from flask.testing import FlaskClient

from checkend.web import assets

TEMPLATES = Path(assets.__file__).parent / "templates"


def test_the_icons_of_the_templates_are_served(client: FlaskClient) -> None:
    named = re.compile(r'\bicon\(\s*"([a-z0-9-]+)"')
    shown = {name for page in TEMPLATES.rglob("*.html") for name in named.findall(page.read_text())}
    answer = client.get("/static/icons.svg?v=1")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    served = set(re.findall(r'id="([^"]+)"', answer.text))
    assert shown
    assert shown <= served
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_logo_is_served(client: FlaskClient) -> None:
    assert 'id="checkend"' in client.get("/static/brand.svg", buffered=True).text
    assert "/static/brand.svg" in client.get("/sign-in").text
