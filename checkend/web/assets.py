"""Style sheets, scripts, pictures: ours under ``/static``, Bootstrap's from Bootstrap-Flask; nothing from elsewhere."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for
from flask_bootstrap import Bootstrap5

OURS = Path(__file__).parent / "static"


def register(app: Flask) -> None:
    """Serve the assets of ``app``, and give templates ``asset(name)`` for their addresses."""
    app.static_folder = str(OURS)
    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=app.send_static_file)
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Bootstrap5(app)
    app.add_template_global(asset)
    app.add_template_global(bootstrap_css)


def asset(filename: str) -> str:
    """The address of one of our files. It changes with the content, so browsers may keep what they have for good."""
    return url_for("static", filename=filename, v=_digest(OURS / filename))


def bootstrap_css() -> str:
    """The address of Bootstrap's style sheet, from the files of Bootstrap-Flask."""
    import flask_bootstrap

    filename = "css/bootstrap.min.css"
    path = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5" / filename
    return url_for("bootstrap.static", filename=filename, v=_digest(path))


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
