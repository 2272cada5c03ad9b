"""The apps, or teams, that a query or an action is limited to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sqlalchemy import Select

Statement = TypeVar("Statement", bound="Select[*tuple[Any, ...]]")


@dataclass(frozen=True, slots=True)
class _Scope:
    """A set of ids, or all: those that exist now and those that will."""

    _ids: frozenset[int] | None

    @classmethod
    def all(cls) -> Self:
        """Return the scope without a limit."""
        return cls(None)

    @classmethod
    def of(cls, ids: Iterable[int]) -> Self:
        """Return the scope of these ids; of none, it is empty."""
        return cls(frozenset(ids))

    def __contains__(self, number: int) -> bool:
        return self._ids is None or number in self._ids

    @property
    def is_all(self) -> bool:
        """Return whether there is no limit."""
        return self._ids is None

    @property
    def is_empty(self) -> bool:
        """Return whether the scope contains nothing."""
        return self._ids is not None and not self._ids

    def intersect(self, ids: Iterable[int]) -> Self:
        """Return the scope of those of ``ids`` that are in this one."""
        return self.of(number for number in ids if number in self)

    def narrow(self, statement: Statement, column: Any) -> Statement:
        """Limit ``statement`` to rows whose ``column`` has an id of the scope."""
        if self._ids is None:
            return statement
        if len(self._ids) == 1:  # for a single app, the database can take the order of problems from an index
            return statement.where(column == next(iter(self._ids)))
        return statement.where(column.in_(sorted(self._ids)))


class AppScope(_Scope):
    """The apps that a query or an action is limited to."""

    __slots__ = ()


class TeamScope(_Scope):
    """The teams that a query or an action is limited to."""

    __slots__ = ()
