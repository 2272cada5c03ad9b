"""API keys: storage, authentication, and recording of their use."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend import clock
from checkend.db.session import db
from checkend.db.transactions import write_transaction
from checkend.exceptions import DomainError
from checkend.models import ApiKey
from tests.support.api import Api, assert_error, counting


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    """Return a client with the first key of the database."""
    return Api(client, key_for("apps:read"))


def the_key(app: Flask) -> ApiKey:
    with app.app_context():
        return db.session.get_one(ApiKey, 1)


def set_on_key(app: Flask, **columns: datetime) -> None:
    with app.app_context(), write_transaction():
        key = db.session.get_one(ApiKey, 1)
        for name, value in columns.items():
            setattr(key, name, value)


def test_the_store_does_not_hold_the_value(api: Api, app: Flask) -> None:
    value = api.headers["Checkend-API-Key"]
    key = the_key(app)
    assert value.startswith(key.prefix)
    assert key.digest.hex() not in value
    for column in ApiKey.__table__.columns:
        stored = getattr(key, column.name)
        assert value[len(key.prefix) :] not in (stored.decode("latin-1") if isinstance(stored, bytes) else str(stored))


def test_the_same_value_hashes_differently_under_each_salt() -> None:
    from checkend.models.api_key import digest_of

    assert digest_of(b"a", "value") != digest_of(b"b", "value")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: value[:-1],
        lambda value: value + "x",
        lambda value: value.upper(),
        lambda value: value[:14] + value[14:][::-1],
        lambda value: "cka_",
        lambda value: "%",
        lambda value: "é" * 50,
        lambda value: "x" * 10_000,
    ],
)
def test_a_different_value_is_rejected(api: Api, spoil: Callable[[str], str]) -> None:
    value = api.headers["Checkend-API-Key"]
    assert_error(Api(api.client, {"Checkend-API-Key": spoil(value)}).get("/apps"), 401, "Invalid or revoked API key")
    assert api.get("/apps").status_code == 200


def test_the_key_is_read_from_its_header_alone(api: Api) -> None:
    value = api.headers["Checkend-API-Key"]
    nothing = Api(api.client, {"Authorization": f"Bearer {value}", "Checkend-Ingestion-Key": value})
    assert_error(nothing.get("/apps", key=value, api_key=value), 401, "Missing API key")
    assert_error(Api(api.client, {"Checkend-API-Key": ""}).get("/apps"), 401, "Missing API key")
    assert Api(api.client, {"CHECKEND-api-KEY": value}).get("/apps").status_code == 200


def test_an_apps_ingestion_key_opens_nothing_here(api: Api, app: Flask) -> None:
    from tests.support.factories import Factory

    key = Factory(app).app("Shop")["ingestion_key"]
    assert_error(Api(api.client, {"Checkend-API-Key": key}).get("/apps"), 401, "Invalid or revoked API key")


def test_a_revoked_key_is_dead_at_the_next_request(api: Api, app: Flask) -> None:
    assert api.get("/apps").status_code == 200
    with app.app_context(), write_transaction():
        db.session.get_one(ApiKey, 1).revoke()
    assert_error(api.get("/apps"), 401, "Invalid or revoked API key")


def test_a_key_lives_until_it_expires(api: Api, app: Flask) -> None:
    set_on_key(app, expires_at=clock.now() + timedelta(minutes=1))
    assert api.get("/apps").status_code == 200
    set_on_key(app, expires_at=clock.now())
    assert_error(api.get("/apps"), 401, "Invalid or revoked API key")


def test_the_first_use_is_recorded_immediately(api: Api, app: Flask) -> None:
    assert the_key(app).last_used_at is None
    before = clock.now()
    api.get("/apps")
    used = the_key(app).last_used_at
    assert used is not None
    assert before <= used <= clock.now()


def test_further_uses_are_recorded_at_most_once_a_minute(api: Api, app: Flask) -> None:
    api.get("/apps")
    for age, recorded in ((timedelta(seconds=50), False), (timedelta(seconds=61), True)):
        now = clock.now() - age
        set_on_key(app, last_used_at=now)
        api.get("/apps")
        assert (the_key(app).last_used_at != now) is recorded


def test_reading_with_a_key_just_used_writes_nothing(api: Api, app: Flask) -> None:
    api.get("/apps")
    with counting(app) as statements:
        assert api.get("/apps").status_code == 200
    assert statements
    assert all(statement.lstrip().startswith("SELECT") for statement in statements)


def test_a_use_without_the_permission_is_recorded(api: Api, app: Flask) -> None:
    assert_error(api.get("/users"), 403)
    assert the_key(app).last_used_at is not None


def test_the_use_of_a_rejected_key_is_not_recorded(api: Api, app: Flask) -> None:
    value = api.headers["Checkend-API-Key"]
    Api(api.client, {"Checkend-API-Key": value + "x"}).get("/apps")
    assert the_key(app).last_used_at is None


@pytest.mark.parametrize(
    ("name", "permissions", "message"),
    [
        ("", ["apps:read"], "Name must be 1 to 255 characters."),
        ("x" * 256, ["apps:read"], "Name must be 1 to 255 characters."),
        ("x", [], "At least one permission is required."),
        ("x", ["apps:delete"], "Unknown permission: apps:delete."),
    ],
)
def test_a_key_needs_a_name_and_known_permissions(app: Flask, name: str, permissions: list[str], message: str) -> None:
    with app.app_context(), pytest.raises(DomainError, match=message):
        ApiKey.create(name, permissions)


def test_a_key_cannot_be_made_expired(app: Flask) -> None:
    with app.app_context(), pytest.raises(DomainError, match="Expiry must be in the future"):
        ApiKey.create("x", ["apps:read"], clock.now())
