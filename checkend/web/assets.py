"""Style sheets, scripts and images: Checkend's own under ``/static``, and Bootstrap's; none from a CDN."""

import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flask import Flask, Response, current_app, g, request, url_for
from flask_bootstrap import Bootstrap5

STATIC_DIRECTORY = Path(__file__).parent / "static"
ICONS = "icons.svg"
SWAGGER_UI_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
# The Bootstrap Icons that the pages use. Bootstrap-Flask ships about 2,000 in a file of one megabyte.
USED_ICONS = frozenset(
    """
    activity megaphone arrow-clockwise arrow-counterclockwise arrow-down arrow-left arrow-repeat arrow-right arrow-up
    bar-chart bell bell-slash box box-arrow-in-right box-arrow-right box-arrow-up-right box-seam braces broadcast bug
    calendar check
    check-circle check-circle-fill check-lg chevron-down chevron-expand chevron-left chevron-right chevron-up circle
    circle-fill circle-half clipboard clipboard-check clock clock-history code-slash copy dash discord download
    envelope exclamation-circle exclamation-triangle eye eye-slash file-earmark-code filter fire funnel gear globe
    google graph-up hdd-network house inbox info-circle journal-text key keyboard laptop layers lightning
    lightning-charge link-45deg list list-check lock markdown microsoft-teams moon-stars pencil people person
    person-check person-gear person-plus person-x phone play plug plus plus-lg question-circle record-circle
    rocket-takeoff search send server shield-check shield-lock slack slash-circle sliders sort-down stack star sun
    tag tags telegram terminal three-dots tools trash unlock window x x-circle x-lg
    """.split()
)
_SYMBOL = re.compile(r'<symbol\b[^>]*\bid="([^"]+)".*?</symbol>', re.DOTALL)


def register(app: Flask) -> None:
    """Serve the assets of ``app``; templates link to them with ``asset(name)`` and ``bootstrap_css()``."""
    app.static_folder = str(STATIC_DIRECTORY)
    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=_send)
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Bootstrap5(app)
    app.add_template_global(asset)
    app.add_template_global(bootstrap_css)
    app.add_template_global(swagger_ui)


def asset(filename: str) -> str:
    """Return the URL of a static file. It changes with the content, so browsers may cache it indefinitely."""
    urls: dict[tuple[str, str], str] = g.setdefault("asset_urls", {})  # a page has dozens of icons from one file
    key = (request.script_root, filename)
    if key not in urls:
        digest = _icons_digest() if filename == ICONS else _digest(STATIC_DIRECTORY / filename)
        urls[key] = url_for("static", filename=filename, v=digest)
    return urls[key]


def _send(filename: str) -> Response:
    if filename == ICONS:
        return Response(icons(), mimetype="image/svg+xml")
    return current_app.send_static_file(filename)


@cache
def icons() -> bytes:
    """Return an SVG sprite of `USED_ICONS`. Raise LookupError for an icon that Bootstrap-Flask does not have."""
    sprite = (_bootstrap() / "icons" / "bootstrap-icons.svg").read_text(encoding="utf-8")
    symbols = {match[1]: match[0] for match in _SYMBOL.finditer(sprite) if match[1] in USED_ICONS}
    if missing := USED_ICONS - symbols.keys():
        raise LookupError(f"Bootstrap-Flask has no icon {', '.join(sorted(missing))}")
    parts = (symbols[name] for name in sorted(symbols))
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'.encode()


def bootstrap_css() -> str:
    """Return the URL of Bootstrap's style sheet."""
    filename = "css/bootstrap.min.css"
    return url_for("bootstrap.static", filename=filename, v=_digest(_bootstrap() / filename))


def swagger_ui(filename: str) -> str:
    """Return the URL of one of `SWAGGER_UI_FILES`."""
    return url_for("api_reference.swagger_ui_file", filename=filename, v=_digest(swagger_ui_directory() / filename))


def swagger_ui_directory() -> Path:
    """Return where the package flask-swagger-ui keeps the files of Swagger UI."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None, "a dependency of this package"
    assert spec.origin is not None
    return Path(spec.origin).parent / "dist"


def _bootstrap() -> Path:
    import flask_bootstrap

    return Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5"


@cache
def _digest(path: Path) -> str:
    return _digest_of(path.read_bytes())


@cache
def _icons_digest() -> str:
    return _digest_of(icons())


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
