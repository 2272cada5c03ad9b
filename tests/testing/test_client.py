"""The client of the Management API."""

import inspect
import time
from typing import Any, get_type_hints

import pytest
from flask import Flask

from checkend.client import client as module
from checkend.client.connection import ServerConnection
from checkend.testing import ApiError, CheckendApp, Client, Server
from tests.support.fixture_process import report


def test_every_route_has_a_method_that_works(tested: CheckendApp, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[tuple[str, str]] = set()
    request = ServerConnection.request

    def noting(self: ServerConnection, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        adapter = app.url_map.bind("localhost")
        if path.startswith("/api/"):
            rule, _ = adapter.match(path, method, return_rule=True)
            called.add((method, rule.rule))
        return request(self, method, path, *arguments, **options)

    monkeypatch.setattr(ServerConnection, "request", noting)
    use_all_of(tested.client, tested)
    offered = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint.startswith("api_")
        if not rule.endpoint.startswith("api_openapi.")  # for tools, not for programs
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS", "PUT"}
    }
    assert called == offered


def use_all_of(client: Client, tested: CheckendApp) -> None:
    """Call every method, each with an outcome that tells that it did its work."""
    assert client.health()["status"] == "ok"
    shop = client.create_app("Shop", environment="staging")["slug"]
    assert client.update_app(shop, environment="production")["environment"] == "production"
    assert client.app(shop)["name"] == "Shop"
    assert client.regenerate_ingestion_key(shop)["ingestion_key"].startswith("cki_")
    assert shop in [one["slug"] for one in client.apps()]
    assert client.send_test_error(shop)["deduplicated"] is False
    (test_error,) = client.all_problems(shop)
    assert test_error["error_class"] == "Checkend::TestError"
    client.delete_problem(shop, test_error["id"])

    cursor = client.arrivals()["cursor"]
    early = report(tested, "KeyError")[1]["id"]
    report(tested, "TypeError")
    (late,) = client.arrivals(after=early)["data"]
    assert late["problem"]["error_class"] == "TypeError"
    assert len(client.arrivals(after=cursor, app=tested.slug)["data"]) == 2
    key_error, type_error = client.all_problems(tested.slug, sort="oldest")
    page = client.problems(tested.slug, search="keyerr", per_page=1)
    assert page["data"] == [key_error]
    assert page["pagination"] == {"page": 1, "per_page": 1, "total": 1, "total_pages": 1}
    assert client.problem(tested.slug, key_error["id"]) == key_error
    assert list(client.iter_problems_of_all_apps(app=[tested.slug, shop], sort="new")) == [type_error, key_error]
    assert client.problems_of_all_apps(environment=["nowhere"], per_page=1)["data"] == []
    assert client.resolve(tested.slug, key_error["id"])["status"] == "resolved"
    assert client.unresolve(tested.slug, key_error["id"])["status"] == "unresolved"
    ids = [key_error["id"], type_error["id"]]
    assert (client.bulk_resolve(tested.slug, ids), client.bulk_unresolve(tested.slug, ids)) == (2, 2)
    assert client.mute(tested.slug, key_error["id"], occurrences=5, reason="known")["mute_reason"] == "known"
    assert [one["id"] for one in client.all_problems(tested.slug, muted=True)] == [key_error["id"]]
    assert client.unmute(tested.slug, key_error["id"])["muted"] is False
    assert (client.bulk_mute(tested.slug, ids, until_release=True), client.bulk_unmute(tested.slug, ids)) == (2, 2)
    (notice,) = client.all_notices(tested.slug, key_error["id"])
    assert client.notices(tested.slug, key_error["id"])["data"] == [notice]
    assert client.notice(tested.slug, key_error["id"], notice["id"]) == notice

    hook = client.create_channel(shop, "webhook", "Hook", config={"url": "http://127.0.0.1:9/"})
    secret = hook.pop("signing_secret")
    assert client.rotate_channel_secret(shop, hook["id"])["signing_secret"] != secret
    assert client.update_channel(shop, hook["id"], name="Bot")["name"] == "Bot"
    assert client.test_channel(shop, hook["id"])["status"] == "failed"  # sending there is not permitted
    assert client.channels(shop) == [client.channel(shop, hook["id"])]
    assert client.deliveries(shop, hook["id"], per_page=1)["data"] == []
    with pytest.raises(ApiError, match="404 not_found: Delivery not found"):
        client.redeliver(shop, hook["id"], 1)
    client.delete_channel(shop, hook["id"])
    assert client.channels(shop) == []

    tag = client.add_tag(tested.slug, key_error["id"], "urgent")
    assert client.tags(tested.slug, key_error["id"]) == [tag]
    assert [one["id"] for one in client.all_problems(tested.slug, tags=["urgent"])] == [key_error["id"]]
    client.remove_tag(tested.slug, key_error["id"], tag["id"])
    assert client.tags(tested.slug, key_error["id"]) == []

    ids = [key_error["id"], type_error["id"]]
    assert client.bulk_tag(tested.slug, ids, "later") == 2
    assert [(tag["name"], tag["problems_count"]) for tag in client.app_tags(tested.slug)] == [("later", 2)]
    assert client.bulk_untag(tested.slug, ids, "later") == 2
    assert client.app_tags(tested.slug) == []
    assert client.facets(tested.slug, ids[0]).keys() >= {"environment", "release"}
    assert [one["count"] for one in client.occurrences(tested.slug, ids[0], interval="day")] == [1]
    client.delete_problem(tested.slug, ids[0])
    assert client.bulk_delete(tested.slug, ids) == 1
    assert client.all_problems(tested.slug) == []
    assert client.api_key()["permissions"]
    entries = client.audit_log(event="problem.deleted", app=tested.slug, per_page=2)
    assert [entry["target"]["label"] for entry in entries["data"]] == ["TypeError", "KeyError"]
    assert list(client.iter_audit_log(event="problem.deleted", app=tested.slug)) == entries["data"]

    one = client.create_user("one@example.com", "long enough")
    two = client.create_user("two@example.com", "long enough")
    assert client.update_user(two["id"], email_address="second@example.com")["email_address"] == "second@example.com"
    assert client.user(one["slug"]) == one
    team = client.create_team("Core", one["id"])["id"]
    assert client.update_team(team, name="Heart")["name"] == client.team(team)["name"] == "Heart"
    member = client.add_member(team, user_id=two["id"])
    assert client.set_role(team, member["id"], "viewer")["role"] == "viewer"
    assert [found["role"] for found in client.members(team)] == ["admin", "viewer"]
    client.remove_member(team, member["id"])
    invitation = client.invite(team, "guest@example.com", "viewer")
    assert "/invitations/" in invitation.pop("url")
    assert client.invitations(team) == [client.invitation(team, invitation["id"])] == [invitation]
    with pytest.raises(ApiError, match="This server cannot send mail"):
        client.resend_invitation(team, invitation["id"])
    client.revoke_invitation(team, invitation["id"])
    assert client.invitations(team) == []
    client.assign_app(team, shop)
    assert [found["slug"] for found in client.team_apps(team)] == [shop]
    assert client.notification_preferences(one["id"]) == [client.notification_preference(one["slug"], shop)]
    assert client.set_notification_preference(one["id"], shop, "none")["level"] == "none"
    assert "/new-password/" in client.create_password_link(one["id"])["url"]
    client.unassign_app(team, shop)
    assert client.team_apps(team) == []
    client.delete_user(two["id"])
    assert [user["id"] for user in client.users()] == [one["id"]]
    client.delete_team(team)
    assert client.teams() == []
    client.delete_app(shop)
    with pytest.raises(ApiError, match="404 not_found: App not found"):
        client.app(shop)


def test_all_pages_are_read(tested: CheckendApp) -> None:
    for number in range(103):
        report(tested, "Same", fingerprint="same", message=f"{number}")
    (problem,) = tested.problems()
    assert len(tested.notices(problem)) == 103


def test_a_refusal_has_its_parts(tested: CheckendApp) -> None:
    with pytest.raises(ApiError) as caught:
        tested.client.create_user("nobody", "short")
    assert (caught.value.status, caught.value.code) == (422, "validation_failed")
    assert caught.value.messages == [
        "Email address is not a valid email address.",
        "Password must be at least 8 characters.",
    ]


def test_every_method_says_what_it_returns() -> None:
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        assert method.__doc__ or name.startswith("_"), name
        assert "return" in get_type_hints(method, vars(module) | {"TracebackType": object}), name


def test_connections_are_kept_and_opened_anew_when_they_may_be_closed(
    fixture_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = ServerConnection(fixture_server.url)
    connection.request("GET", "/api/v1/health")
    first = connection._local.connection
    connection.request("GET", "/api/v1/health")
    assert connection._local.connection is first
    late = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: late)
    assert connection.request("GET", "/api/v1/health").status == 200
    assert connection._local.connection is not first
    monkeypatch.undo()
    connection.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://example.com", "http://"])
def test_an_address_that_is_none_is_told_so(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a server"):
        Client(url, "cka_x")
