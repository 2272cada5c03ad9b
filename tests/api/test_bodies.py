"""Request bodies: the same rules for every route that reads one."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from checkend import create_app
from checkend.db.transactions import write_transaction
from checkend.models import ApiKey, App, Channel, Team, User
from checkend.services import services
from tests.api.test_permission_matrix import TABLE
from tests.support.api import Api, assert_error
from tests.support.factories import Factory

JSON = "application/json"
TAKING = sorted(route for route, call in TABLE.items() if call.json is not None)


@pytest.fixture
def records(make: Factory) -> None:
    make.app("Shop")
    make.problem(1)
    make.team("Core", make.user())
    with make.writing() as session:
        team = session.get_one(Team, 1)
        team.add_member(User.create("two@example.com", "long enough"))
        team.assign(session.get_one(App, 1))
        Channel.create(session.get_one(App, 1), kind="email", name="Mail")


def path_of(rule: str) -> str:
    for name in ("app_id", "channel_id", "problem_id", "team_id", "user_id"):
        rule = rule.replace(f"<{name}>", "1")
    return rule.replace("<member_id>", "2")


@pytest.mark.parametrize("route", TAKING, ids=" ".join)
def test_every_route_rejects_a_body_that_is_not_a_json_object(route: tuple[str, str], api: Api, records: None) -> None:
    method, path = route[0], path_of(route[1])

    def send(data: bytes, content_type: str | None = JSON) -> Any:
        return api.call(method, path, data=data, content_type=content_type)

    for data in (b"", b"{", b"nonsense", b"\xff\xfe\x00", b'{"a":}', b"[" * 100_000, b'{"a":' * 100_000):
        assert_error(send(data), 400)
    for data in (b"[]", b'"text"', b"5", b"null", b"true", b'[{"name":"A"}]'):
        assert_error(send(data), 400, "The body must be a JSON object.")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert_error(send(b'{"name":"A"}', content_type), 415)
    assert_error(send(b'{"nonsense":1}'), 422)
    assert_error(send(b'{"name":"' + b"a" * 1_048_576 + b'"}'), 413)


@pytest.mark.parametrize("route", TAKING, ids=" ".join)
def test_others_can_write_while_a_body_is_received(
    route: tuple[str, str], api: Api, records: None, slow_body: Any
) -> None:
    method, path = route[0], path_of(route[1])
    api.get("/apps")  # records the use of the key
    for data in (b'{"nonsense":1}', b"{", b"a" * 100_000):
        body = slow_body(data)
        response = api.call(method, path, input_stream=body, content_type=JSON, content_length=len(data))
        assert response.status_code in (400, 422)
        assert body.others_could_write
        assert all(body.others_could_write)


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "application/vnd.api+json"])
def test_every_content_type_of_json_is_accepted(api: Api, content_type: str) -> None:
    response = api.post("/apps", data='{"name":"Größe"}'.encode(), content_type=content_type)
    assert response.get_json()["name"] == "Größe"


def test_a_body_of_the_maximum_size_is_accepted(api: Api) -> None:
    body = json.dumps({"name": "A"}).encode()
    assert api.post("/apps", data=body.ljust(1_048_576), content_type=JSON).status_code == 201
    assert_error(api.post("/apps", data=body.ljust(1_048_577), content_type=JSON), 413)


@pytest.mark.parametrize("wrapper", ["%s", '{"app":%s}', '{"x":[%s]}'])
def test_the_last_of_many_names_can_be_the_one_that_occurs_twice(api: Api, wrapper: str) -> None:
    names = ",".join(f'"{number}":1' for number in range(80_000))
    body = wrapper % f'{{{names},"79999":1}}'
    began = time.process_time()
    response = api.post("/apps", data=body.encode(), content_type=JSON)
    assert time.process_time() - began < 1
    assert_error(response, 400, 'The body contains "79999" twice in one object.')


@pytest.mark.parametrize("value", ["x", 1, None, ["name"]])
def test_the_value_of_the_root_key_must_be_an_object(api: Api, value: Any) -> None:
    assert_error(api.post("/apps", {"app": value}), 400, "app must be a JSON object.")


def test_fields_beside_the_root_key_are_read_too(api: Api) -> None:
    assert_error(api.post("/apps", {"app": {"name": "A"}, "nonsense": 1}), 422, "Unknown field: nonsense.")
    response = api.post("/apps", {"app": {"name": "A"}, "environment": "staging"})
    assert response.get_json()["environment"] == "staging"
    twice = api.post("/apps", {"app": {"name": "A"}, "name": "B"})
    assert_error(twice, 422, "name is both in app and beside it. Send it once.")


def test_another_resources_root_key_is_an_unknown_field(api: Api) -> None:
    assert_error(api.post("/apps", {"team": {"name": "A"}}), 422, "Name can't be blank.", "Unknown field: team.")


def test_routes_without_a_body_do_not_read_one(api: Api, make: Factory) -> None:
    make.app("Shop")
    make.problem(1)
    assert api.post("/apps/shop/problems/1/resolve", data="nonsense").status_code == 200
    assert api.call("DELETE", "/apps/shop", data="nonsense").status_code == 204


def test_the_maximum_body_size_is_a_setting(tmp_path: Path) -> None:
    app = create_app({"MAX_BODY_BYTES": 1024}, instance_path=tmp_path / "small")
    with app.app_context(), write_transaction():
        _, value = ApiKey.create("x", ["apps:write"])
    client: FlaskClient = app.test_client()
    small = Api(client, {"Checkend-API-Key": value})
    assert_error(small.post("/apps", {"name": "a" * 1024}), 413)
    assert small.post("/apps", {"name": "a" * 200}).status_code == 201
    services(app).close()
