"""A request that writes is one transaction: nothing is committed when its view raises."""

from typing import Any

import pytest
from flask import Flask

from checkend.db.session import db
from checkend.models import App, Team, audit_log
from tests.support.api import Api, assert_error
from tests.support.factories import Factory


def test_nothing_is_committed_when_a_view_raises(api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    create = audit_log.record

    def record(event: str, target: str, **details: Any) -> None:
        create(event, target, **details)
        if event == "app.created":  # the app is flushed by now
            assert db.session.query(App).count() == 1
            raise OSError("the view failed")

    monkeypatch.setattr(audit_log, "record", record)
    assert_error(api.post("/apps", {"name": "Shop"}), 500)
    monkeypatch.undo()
    assert api.get("/apps").get_json() == []
    assert api.post("/apps", {"name": "Blog"}).status_code == 201  # and the write lock is free


def test_a_violated_rule_undoes_what_the_view_changed_before(api: Api, make: Factory, app: Flask) -> None:
    owner, other = make.user(), make.user()
    make.team("Core", owner)
    assert_error(api.patch("/teams/core", {"owner_id": other, "name": ""}), 422)
    member = api.post("/teams/core/members", {"user_id": other, "role": "viewer"}).get_json()
    response = api.post("/teams/core/apps", {"app_id": 1, "slug": "nope"})
    assert_error(response, 422, "App not found")
    with app.app_context():
        team = db.session.get_one(Team, 1)
        assert (team.owner_id, team.name, [m.id for m in team.members]) == (owner, "Core", [1, member["id"]])


def test_the_response_shows_the_values_that_the_commit_sets(api: Api) -> None:
    created = api.post("/apps", {"name": "Shop"}).get_json()
    changed = api.patch("/apps/shop", {"name": "Store"}).get_json()
    assert api.get("/apps/shop").get_json() == changed
    assert changed["updated_at"] >= created["updated_at"]
