"""Typed client for the Management API: one method per route, standard library only."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from checkend.client.apps import AppMethods
from checkend.client.audit_log import AuditLogMethods
from checkend.client.connection import ServerConnection
from checkend.client.problems import ProblemMethods
from checkend.client.teams import TeamMethods
from checkend.client.types import ApiKey

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"


class Client(AppMethods, ProblemMethods, TeamMethods, AuditLogMethods):
    """Client for the Management API of the server at ``url``, which authenticates with ``api_key``.

    Apps, teams and users are identified by id or slug, everything else by id. Methods raise `ApiError` if the server
    responds with an error, and OSError or http.client.HTTPException if it cannot be reached. Before that, a request
    is repeated up to ``retries`` times if there was no response or one with status 429, 502, 503 or 504, after the
    time that the server asks for, at most a minute. Can be used by several threads. Raises ValueError if ``url`` is
    not an http or https URL.
    """

    def __init__(self, url: str, api_key: str, *, retries: int = 2, user_agent: str = "checkend-client") -> None:
        headers = {"Checkend-API-Key": api_key, "User-Agent": user_agent}
        super().__init__(ServerConnection(url, headers), retries)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return a client for the server at CHECKEND_ENDPOINT, with the API key in CHECKEND_MANAGEMENT_KEY.

        The default endpoint is http://127.0.0.1:8080. Raises ValueError if there is no key.
        """
        api_key = environ.get("CHECKEND_MANAGEMENT_KEY", "")
        if not api_key:
            raise ValueError(
                "CHECKEND_MANAGEMENT_KEY is not set. Create an API key with `checkend api-key create` or in the "
                "dashboard, and set it to the key."
            )
        return cls(environ.get("CHECKEND_ENDPOINT") or DEFAULT_ENDPOINT, api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def health(self) -> dict[str, str]:
        """Return ``status`` and ``timestamp``."""
        return self.call("GET", "/health")

    def api_key(self) -> ApiKey:
        """Return the API key that this client uses, without its value."""
        return self.call("GET", "/api_key")
