"""Pages of long lists."""

from dataclasses import dataclass
from typing import Any

from marshmallow import post_load

from checkend.schemas.base import Query
from checkend.schemas.fields import BoundedInteger

PER_PAGE = 25
MAX_PER_PAGE = 100
MAX_PAGE = 2**53  # any more and a reader of JSON could not say the number back


@dataclass(frozen=True, slots=True)
class Page:
    """Which page was asked for: its number, from 1, and its size."""

    number: int
    per_page: int

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.number - 1) * self.per_page

    def summary(self, total: int) -> dict[str, int]:
        """The ``pagination`` part of an answer, for ``total`` rows in all."""
        return {
            "page": self.number,
            "per_page": self.per_page,
            "total": total,
            "total_pages": -(-total // self.per_page),
        }


class PageQuery(Query):
    """The parameters of every list that comes in pages."""

    page = BoundedInteger(least=1, most=MAX_PAGE, load_default=1)
    per_page = BoundedInteger(least=1, most=MAX_PER_PAGE, load_default=PER_PAGE)


def pop_page(data: dict[str, Any]) -> Page:
    """Take the page's parameters out of the loaded ``data``."""
    return Page(data.pop("page"), data.pop("per_page"))


class PageOnlyQuery(PageQuery):
    """The parameters of a list that has no filters."""

    @post_load
    def _arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"page": pop_page(data)}
