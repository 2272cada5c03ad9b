"""Methods of the client for the audit log."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

from collections.abc import Iterator
from typing import Any, Unpack

from checkend.client.caller import MAX_PER_PAGE, Caller
from checkend.client.queries import AuditFilters, AuditPageQuery
from checkend.client.types import AuditEntry, Page


class AuditLogMethods(Caller):
    """The audit log."""

    def audit_log(self, **query: Unpack[AuditPageQuery]) -> Page[AuditEntry]:
        """Return a page of the audit log, newest first."""
        return self.call("GET", "/audit_log", **query)

    def iter_audit_log(self, **filters: Unpack[AuditFilters]) -> Iterator[AuditEntry]:
        """Yield the entries of the audit log, newest first; those that are added meanwhile are left out."""
        query: dict[str, Any] = {**filters, "per_page": MAX_PER_PAGE}
        while entries := self.call("GET", "/audit_log", **query)["data"]:
            yield from entries
            query["before"] = entries[-1]["id"]
