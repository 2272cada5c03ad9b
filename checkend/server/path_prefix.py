"""Path prefix: serve https://example.com/checkend instead of https://checkend.example.com.

The prefix is the path of CHECKEND_URL, or else the X-Forwarded-Prefix of trusted proxies. It works whether the proxy
keeps the prefix in the path or strips it.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


PATTERN = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+\Z")


class PathPrefixMiddleware:
    """WSGI middleware that moves the prefix from the path to the script name, from which all links are built.

    ``configured`` is the prefix. If it is empty, the outermost of ``proxies`` trusted proxies may set one.
    """

    def __init__(self, wsgi_app: "WSGIApplication", configured: str, proxies: int) -> None:
        self._wsgi_app = wsgi_app
        self._configured = configured
        self._proxies = proxies

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        prefix = self._configured or self._forwarded(environ.get("HTTP_X_FORWARDED_PREFIX", ""))
        if prefix:
            environ["SCRIPT_NAME"] = prefix
            path = environ.get("PATH_INFO", "")
            if path.startswith(f"{prefix}/"):
                environ["PATH_INFO"] = path[len(prefix) :]
            elif path in ("", prefix):
                environ["PATH_INFO"] = "/"
        return self._wsgi_app(environ, start_response)

    def _forwarded(self, header: str) -> str:
        values = [value.strip().rstrip("/") for value in header.split(",")]
        if len(values) < self._proxies:
            return ""
        prefix = values[-self._proxies]
        return prefix if PATTERN.match(prefix) else ""  # it becomes part of every link
