"""An app's counters of problems agree with the rows, whatever changes a problem."""

from flask import Flask
from sqlalchemy import func, select

from checkend.db.session import db
from checkend.models import App, Problem
from checkend.models.problem import RESOLVED, UNRESOLVED, set_status
from checkend.models.scope import AppScope
from checkend.models.selection import ProblemSelection, delete_problems
from tests.support.factories import Factory


def counts(app: Flask) -> tuple[int, int]:
    """Return the app's counters, after a comparison with the rows."""
    with app.app_context():
        shop = db.session.get_one(App, 1)
        rows = select(func.count()).select_from(Problem).where(Problem.app_id == 1)
        counted = db.session.scalar(rows), db.session.scalar(rows.where(Problem.status == UNRESOLVED))
        assert (shop.problems_count, shop.unresolved_problems_count) == counted
        return shop.problems_count, shop.unresolved_problems_count


def test_deleting_several_problems_at_once(app: Flask, make: Factory) -> None:
    make.app()
    for _ in range(4):
        make.problem(1, notices=2)
    with make.writing():
        assert set_status(Problem.id == 1, RESOLVED) == 1
        assert delete_problems([1, 2, 3]) == 3
    assert counts(app) == (1, 1)


def test_resolving_counts_only_problems_that_were_unresolved(app: Flask, make: Factory) -> None:
    make.app()
    for _ in range(3):
        make.problem(1)
    with make.writing():
        (selection,) = ProblemSelection.in_batches(AppScope.of([1]), [1, 2, 2, 99])
        assert selection.count() == 2
        assert set_status(Problem.id.in_(selection.select_ids()), RESOLVED) == 2
        assert set_status(Problem.id.in_([2, 3]), RESOLVED) == 1
    assert counts(app) == (3, 0)
    with make.writing() as session:
        session.get_one(Problem, 1).unresolve()
        session.get_one(Problem, 1).unresolve()
    assert counts(app) == (3, 1)


def test_a_new_count_does_not_change_when_the_app_was_updated(app: Flask, make: Factory) -> None:
    make.app()
    make.problem(1)
    make.problem(1)
    with app.app_context():
        before = db.session.get_one(App, 1).updated_at
    with make.writing() as session:
        session.get_one(Problem, 1).resolve()
        delete_problems([2])
    with app.app_context():
        assert db.session.get_one(App, 1).updated_at == before
