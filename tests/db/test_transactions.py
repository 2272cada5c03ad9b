"""`write_transaction`: the only way to write, committed as a whole or not at all."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from flask import Flask, g
from sqlalchemy import func, select, text, update

from checkend.db.session import db
from checkend.db.transactions import independent_write, write_in_steps, write_transaction
from checkend.models import App


def names(app: Flask) -> list[str]:
    """Return the names of the apps that are committed."""
    with app.app_context():
        return list(db.session.scalars(select(App.name).order_by(App.id)))


def test_it_commits_at_the_end_of_the_block(app: Flask) -> None:
    with app.app_context():
        with write_transaction():
            App.create("Shop")
            assert names(app) == []
        assert not g.writing
    assert names(app) == ["Shop"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_rolls_everything_back(app: Flask, error: type[BaseException]) -> None:
    def create_and_raise() -> None:
        with write_transaction():
            App.create("Shop")
            raise error

    with app.app_context():
        with pytest.raises(error):
            create_and_raise()
        assert not g.writing
        with write_transaction():  # and the write lock is free
            App.create("Blog")
    assert names(app) == ["Blog"]


def test_nesting_is_an_error_that_rolls_back_the_outer_transaction(app: Flask) -> None:
    def nest() -> None:
        with write_transaction():
            App.create("Shop")
            with write_transaction():
                pytest.fail("entered")

    with app.app_context(), pytest.raises(RuntimeError, match="open already"):
        nest()
    assert names(app) == []


def test_writing_outside_of_it_is_an_error(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="outside of a write_transaction"):
        App.create("Shop")
    assert names(app) == []


def test_it_ends_the_read_transaction_before_it(app: Flask) -> None:
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(App)) == 0
        with app.app_context(), write_transaction():
            App.create("Shop")
        with write_transaction():
            assert db.session.scalar(select(func.count()).select_from(App)) == 1


def test_an_independent_write_is_committed_at_once_unless_a_write_transaction_is_open(app: Flask) -> None:
    def rename(name: str) -> None:
        with independent_write() as connection:
            connection.execute(update(App).values(name=name))

    with app.app_context():
        with write_transaction():
            App.create("Shop")
        rename("Blog")
        assert names(app) == ["Blog"]
        with write_transaction():
            rename("Store")
            db.session.rollback()
    assert names(app) == ["Blog"]


def test_each_step_is_committed_before_the_next_begins(app: Flask, lock_is_free: Callable[[], bool]) -> None:
    def create() -> Iterator[str]:
        for name in ("A", "B", "C"):
            App.create(name)
            yield name

    with app.app_context():
        steps = write_in_steps(create())
        assert next(steps) == "A"
        assert names(app) == ["A"]
        assert lock_is_free()
        assert list(steps) == ["B", "C"]
    assert names(app) == ["A", "B", "C"]


def test_a_step_that_fails_keeps_the_steps_before_it(app: Flask) -> None:
    def create() -> Iterator[None]:
        App.create("A")
        yield
        App.create("B")
        raise ValueError

    with app.app_context(), pytest.raises(ValueError):  # noqa: PT011 - raised by the step itself
        list(write_in_steps(create()))
    assert names(app) == ["A"]


def test_the_deadline_of_a_request_does_not_end_what_runs_on_its_connection_afterwards(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkend.db.read_deadline.READ_SECONDS", -1.0)
    with app.test_request_context():
        assert db.session.execute(text("SELECT 1")).scalar() == 1
        db.session.remove()
    with app.app_context(), closing(db.engine.raw_connection()) as connection:
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT count(*) FROM n"
        assert connection.driver_connection.execute(count).fetchone() == (50_000,)
