"""Equivalent URLs of the Management API: with a trailing slash, and with ``.json`` appended."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SUFFIX = ".json"


class EquivalentUrls:
    """WSGI middleware that removes one trailing slash, then ``.json``, from paths under ``/api/``.

    Rewriting rather than redirecting, because clients turn a redirected POST into a GET. No slug contains a dot, so
    the suffix is never part of one.
    """

    def __init__(self, wsgi_app: "WSGIApplication") -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.endswith(("/", SUFFIX)) and path.lstrip("/").startswith("api/"):
            environ["PATH_INFO"] = path.removesuffix("/").removesuffix(SUFFIX)
        return self._wsgi_app(environ, start_response)
