"""Pagination of long lists."""

from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import post_load

from checkend.schemas.base import Query
from checkend.schemas.fields import BoundedInteger

PER_PAGE = 25
MAX_PER_PAGE = 100
MAX_PAGE = 2**53  # JSON clients that use floating point cannot represent larger integers exactly


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its number, counted from 1, and its size."""

    number: int
    per_page: int

    @property
    def offset(self) -> int:
        """The number of rows before the page."""
        return (self.number - 1) * self.per_page

    def summary(self, total: int) -> dict[str, int]:
        """Return the ``pagination`` object of a response, for ``total`` rows."""
        return {
            "page": self.number,
            "per_page": self.per_page,
            "total": total,
            "total_pages": -(-total // self.per_page),
        }


class PageQuery(Query):
    """Query parameters of every paginated list."""

    descriptions: ClassVar[dict[str, str]] = {
        "page": "The number of the page, from 1.",
        "per_page": "Items per page, up to 100; 25 by default.",
    }

    page = BoundedInteger(minimum=1, maximum=MAX_PAGE, load_default=1)
    per_page = BoundedInteger(minimum=1, maximum=MAX_PER_PAGE, load_default=PER_PAGE)


def pop_page(data: dict[str, Any]) -> Page:
    """Remove the pagination parameters from the loaded ``data`` and return them as a `Page`."""
    return Page(data.pop("page"), data.pop("per_page"))


class PageOnlyQuery(PageQuery):
    """The parameters of a list that has no filters."""

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data)}
