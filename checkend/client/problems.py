"""Methods of the client for problems, their notices and their tags."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

from collections.abc import Iterator
from typing import Any, Literal, Unpack

from checkend.client.caller import Caller, Id
from checkend.client.queries import (
    AllProblemFilters,
    AllProblemPageQuery,
    MuteTerms,
    NoticeFilters,
    NoticePageQuery,
    ProblemFilters,
    ProblemPageQuery,
)
from checkend.client.types import FacetValue, Notice, NoticeFeed, Occurrences, Page, Problem, Tag


class ProblemMethods(Caller):
    """Problems, their notices and their tags."""

    def problems(self, app: Id, **query: Unpack[ProblemPageQuery]) -> Page[Problem]:
        """Return a page of an app's problems."""
        return self.call("GET", f"/apps/{app}/problems", **query)

    def iter_problems(self, app: Id, **filters: Unpack[ProblemFilters]) -> Iterator[Problem]:
        """Yield an app's problems from all pages."""
        yield from self._iterate(f"/apps/{app}/problems", filters)

    def all_problems(self, app: Id, **filters: Unpack[ProblemFilters]) -> list[Problem]:
        """Return an app's problems from all pages."""
        return list(self.iter_problems(app, **filters))

    def problems_of_all_apps(self, **query: Unpack[AllProblemPageQuery]) -> Page[Problem]:
        """Return a page of the problems of all apps, or of those in ``app``."""
        return self.call("GET", "/problems", **query)

    def iter_problems_of_all_apps(self, **filters: Unpack[AllProblemFilters]) -> Iterator[Problem]:
        """Yield the problems of all apps, or of those in ``app``, from all pages."""
        yield from self._iterate("/problems", filters)

    def problem(self, app: Id, problem: int) -> Problem:
        """Return a problem."""
        return self.call("GET", f"/apps/{app}/problems/{problem}")

    def resolve(self, app: Id, problem: int) -> Problem:
        """Mark a problem as resolved."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/resolve")

    def unresolve(self, app: Id, problem: int) -> Problem:
        """Mark a problem as unresolved."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/unresolve")

    def bulk_resolve(self, app: Id, problem_ids: list[int]) -> int:
        """Mark problems as resolved, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_resolve", problem_ids)

    def bulk_unresolve(self, app: Id, problem_ids: list[int]) -> int:
        """Mark problems as unresolved, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_unresolve", problem_ids)

    def _bulk(self, app: Id, action: str, problem_ids: list[int], **fields: Any) -> int:
        body = {"problem_ids": problem_ids, **fields}
        return int(self.call("POST", f"/apps/{app}/problems/{action}", body)["count"])

    def delete_problem(self, app: Id, problem: int) -> None:
        """Delete a problem with its notices and counters."""
        self.call("DELETE", f"/apps/{app}/problems/{problem}")

    def bulk_delete(self, app: Id, problem_ids: list[int]) -> int:
        """Delete problems, and return how many of them belonged to the app."""
        return self._bulk(app, "bulk_delete", problem_ids)

    def bulk_tag(self, app: Id, problem_ids: list[int], tag: str) -> int:
        """Add a tag to problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_tag", problem_ids, tag=tag)

    def bulk_untag(self, app: Id, problem_ids: list[int], tag: str) -> int:
        """Remove a tag from problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_untag", problem_ids, tag=tag)

    def facets(self, app: Id, problem: int) -> dict[str, list[FacetValue]]:
        """Return the values that the reports of a problem have in common, by facet."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/facets")

    def occurrences(
        self, app: Id, problem: int, *, interval: Literal["hour", "day"] = "hour", date_from: str | None = None
    ) -> list[Occurrences]:
        """Return how often a problem occurred in each hour or day, oldest first."""
        path = f"/apps/{app}/problems/{problem}/occurrences"
        return self.call("GET", path, interval=interval, date_from=date_from)

    def mute(self, app: Id, problem: int, **terms: Unpack[MuteTerms]) -> Problem:
        """Mute a problem; ``until``, ``occurrences``, ``within_minutes`` and ``until_release`` say when that ends."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/mute", terms)

    def unmute(self, app: Id, problem: int) -> Problem:
        """End the mute of a problem."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/unmute")

    def bulk_mute(self, app: Id, problem_ids: list[int], **terms: Unpack[MuteTerms]) -> int:
        """Mute problems on the terms of `mute`, and return how many are muted now."""
        return self._bulk(app, "bulk_mute", problem_ids, **terms)

    def bulk_unmute(self, app: Id, problem_ids: list[int]) -> int:
        """End the mutes of problems, and return how many of them belong to the app."""
        return self._bulk(app, "bulk_unmute", problem_ids)

    def notices(self, app: Id, problem: int, **query: Unpack[NoticePageQuery]) -> Page[Notice]:
        """Return a page of a problem's notices, latest first."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/notices", **query)

    def iter_notices(self, app: Id, problem: int, **filters: Unpack[NoticeFilters]) -> Iterator[Notice]:
        """Yield a problem's notices from all pages, latest first."""
        yield from self._iterate(f"/apps/{app}/problems/{problem}/notices", filters)

    def all_notices(self, app: Id, problem: int, **filters: Unpack[NoticeFilters]) -> list[Notice]:
        """Return a problem's notices from all pages, latest first."""
        return list(self.iter_notices(app, problem, **filters))

    def notice(self, app: Id, problem: int, notice: int) -> Notice:
        """Return a notice with everything that was reported."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/notices/{notice}")

    def arrivals(self, *, after: int | None = None, wait: int = 0, app: Id | None = None) -> NoticeFeed:
        """Return the reports stored after the cursor ``after``, of one app or of all.

        Waits up to ``wait`` seconds for a report. Without ``after``, returns only the current cursor.
        """
        path = "/arrivals" if app is None else f"/apps/{app}/arrivals"
        return self.call("GET", path, timeout_seconds=wait + 15.0, after=after, wait=wait)

    def tags(self, app: Id, problem: int) -> list[Tag]:
        """Return the tags of a problem, by name."""
        return self.call("GET", f"/apps/{app}/problems/{problem}/tags")

    def add_tag(self, app: Id, problem: int, name: str) -> Tag:
        """Add a tag to a problem."""
        return self.call("POST", f"/apps/{app}/problems/{problem}/tags", {"name": name})

    def remove_tag(self, app: Id, problem: int, tag: int) -> None:
        """Remove a tag from a problem."""
        self.call("DELETE", f"/apps/{app}/problems/{problem}/tags/{tag}")
