"""Records for tests, written directly to the database."""

import itertools
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask

from checkend import clock
from checkend.db.compression import compress
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.models import App, Notice, Problem, Team, User
from checkend.models.search_index import search_text
from checkend.models.storage import NOTICE_BYTES
from checkend.models.team import Role

T = TypeVar("T")


class Factory:
    """Creates records with plausible defaults. Every method commits, and returns plain ids and keys."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._numbers = itertools.count(1)

    def run(self, action: Callable[[], T]) -> T:
        """Run ``action`` in a write transaction of its own."""
        with self._app.app_context(), write_transaction():
            return action()

    @contextmanager
    def writing(self) -> Any:
        """Run a block in a write transaction; yield the session."""
        with self._app.app_context(), write_transaction():
            yield db.session

    def app(self, name: str = "Shop", **fields: Any) -> dict[str, Any]:
        """Create an app; return its ``id``, ``slug`` and ``ingestion_key``."""

        def act() -> dict[str, Any]:
            app = App.create(name, **fields)
            return {"id": app.id, "slug": app.slug, "ingestion_key": app.ingestion_key}

        return self.run(act)

    def user(self, email: str | None = None, password: str = "correct horse", **fields: Any) -> int:
        """Create a user; return its id."""
        return self.run(lambda: User.create(email or f"user{next(self._numbers)}@example.com", password, **fields).id)

    def team(self, name: str = "Core", owner_id: int | None = None) -> int:
        """Create a team, and an owner if none is given; return its id."""
        owner = owner_id or self.user()
        return self.run(lambda: Team.create(name, db.session.get_one(User, owner)).id)

    def assign(self, team_id: int, app_id: int) -> None:
        """Assign an app to a team."""
        self.run(lambda: db.session.get_one(Team, team_id).assign(db.session.get_one(App, app_id)))

    def join(self, team_id: int, user_id: int, role: Role) -> None:
        """Make a user a member of a team."""
        self.run(lambda: db.session.get_one(Team, team_id).add_member(db.session.get_one(User, user_id), role))

    def problem(self, app_id: int, notices: int = 0, at: datetime | None = None, **fields: Any) -> int:
        """Create a problem with ``notices`` notices, and update the app's counters; return its id."""
        now = at or clock.now()
        number = next(self._numbers)

        def act() -> int:
            values: dict[str, Any] = {
                "error_class": "RuntimeError",
                "first_message": f"it broke {number}",
                "fingerprint": f"test-{number}",
                "grouping_version": 1,
                "first_noticed_at": now,
                "last_noticed_at": now,
                "notices_count": notices,
            } | fields
            values["first_message"] = values.pop("error_message", values["first_message"])
            values["search_text"] = search_text(
                values["error_class"], values.get("location", ""), values["first_message"]
            )
            problem = Problem(app_id=app_id, **values)
            app = db.session.get_one(App, app_id)
            app.problems_count += 1
            app.unresolved_problems_count += values.get("status", "unresolved") == "unresolved"
            db.session.add(problem)
            db.session.flush()
            app.stored_bytes += notices * (NOTICE_BYTES + len(compress({})))
            for _ in range(notices):
                db.session.add(Notice(problem_id=problem.id, occurred_at=now, created_at=now, payload=compress({})))
            return problem.id

        return self.run(act)

    def notice(self, problem_id: int, at: datetime | None = None, **payload: Any) -> int:
        """Create a notice, and update the problem's counters; return its id."""

        def act() -> int:
            now = at or clock.now()
            notice = Notice(problem_id=problem_id, occurred_at=now, created_at=now, payload=compress(payload))
            db.session.add(notice)
            problem = db.session.get_one(Problem, problem_id)
            problem.notices_count += 1
            problem.app.stored_bytes += NOTICE_BYTES + len(notice.payload)
            db.session.flush()
            return notice.id

        return self.run(act)
