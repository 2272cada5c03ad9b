"""Secrets and personal data are removed before anything is stored."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.app import create_app
from checkend.db.session import db
from checkend.models import Notice, ProblemFacet
from checkend.scrubbing.scrubber import FILTERED, SHORTENED, Scrubber, ScrubbingPolicy
from checkend.services import services
from tests.support.factories import Factory

SCRUBBER = Scrubber(ScrubbingPolicy())

SECRET = """
    password Password user_password newPassword passwd passphrase secret client_secret SECRET_KEY_BASE token accessToken
    X-Auth-Token Authorization Proxy-Authorization HTTP_AUTHORIZATION Cookie Set-Cookie api_key apiKey X-Api-Key
    credit_card card_number cardNumber cc-cvv cvc iban account_number session_id PHPSESSID JSESSIONID connect.sid
    csrf_token _xsrf jwt bearer private_key DATABASE_URL dsn SENTRY_DSN pwd MYSQL_PWD smtp_pass cardPin pin ssn otp
    STRIPE_KEY client_key APP_KEY X-Amz-Signature credentials Passwort contraseña mot_de_passe пароль
    user[password] db.password Checkend-Ingestion-Key AWS_SECRET_ACCESS_KEY card pass2
""".split()
PLAIN = """
    author authority company compass pass_count passed monkey keyboard key keys primary_key cache_key foreign_key
    inside mapping spin pinned discard cardinality id name email url path method status Taliban assassin hotpot
    environment revision hostname queue_name PATH HOME ssid
""".split()


@pytest.mark.parametrize("name", SECRET)
def test_values_of_secret_keys_are_filtered(name: str) -> None:
    for value in ("hunter2", 42, True, ["a", "b"], {"deep": {"er": 1}}):
        assert SCRUBBER.details({"context": {name: value}})["context"] == {name: FILTERED}


@pytest.mark.parametrize("name", PLAIN)
def test_values_of_ordinary_keys_are_kept(name: str) -> None:
    context = {name: "as it was"}
    assert SCRUBBER.details({"context": context})["context"] == context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/b?token=abc&x=1#top", "https://a.example/b?token=[FILTERED]&x=1#top"),
        ("/callback?code=4f&state=x", "/callback?code=[FILTERED]&state=x"),
        ("/maps?key=AIza&q=1", "/maps?key=[FILTERED]&q=1"),
        ("/x?user%5Bpassword%5D=a&b=2", "/x?user%5Bpassword%5D=[FILTERED]&b=2"),
        ("/in?next=%2Fa%3Ftoken%3Dabc%26q%3D1", "/in?next=%2Fa%3Ftoken%3D[FILTERED]%26q%3D1"),
        ("/app#access_token=abc&type=x", "/app#access_token=[FILTERED]&type=x"),
        ("Server=db;User Id=sa;Password=hunter2;Port=1", "Server=db;User Id=sa;Password=[FILTERED];Port=1"),
        ("host=db user=me password='a b' port=1", "host=db user=me password='[FILTERED]' port=1"),
        ("postgres://me:p@ss@db/shop", "postgres://me:[FILTERED]@db/shop"),
        (f"https://ghp_{'x' * 36}@git.example/r", "https://[FILTERED]@git.example/r"),
        ("ssh://git@git.example/r", "ssh://git@git.example/r"),
        ('{"password": "x\\"y", "b": 1}', '{"password": "[FILTERED]", "b": 1}'),
        ('{"pin":1234}', '{"pin":"[FILTERED]"}'),
        ('{"tokens":["a","b"],"c":1}', '{"tokens":"[FILTERED]","c":1}'),
        ('{"password": "cut off in the mid', '{"password": "[FILTERED]"'),
        (r"{\"token\":\"x\",\"a\":1}", r"{\"token\":\"[FILTERED]\",\"a\":1}"),
        ("{'password': 'x', 'a': 2}", "{'password': '[FILTERED]', 'a': 2}"),
        ('{"password"=>"x", "a"=>1}', '{"password"=>"[FILTERED]", "a"=>1}'),
        ("sent Authorization: Basic dXNlcjpwYXNz", "sent Authorization: [FILTERED]"),
        ("Cookie: a=b; c=d\r\nHost: x", "Cookie: [FILTERED]\r\nHost: x"),
        ("rejected Bearer eyJhbGciOi123456 just now", "rejected Bearer [FILTERED] just now"),
        ("Basic authentication failed", "Basic authentication failed"),
        ("if password == None: retries=1", "if password == None: retries=1"),
        ("code=404 key=7", "code=404 key=7"),
        ("token='[REDACTED]'", "token='[REDACTED]'"),
        ('{"user": {"password": "x"}, "a": 1}', '{"user": {"password": "[FILTERED]"}, "a": 1}'),
        ('[{"a": [{"secret": {"b": "}", "c": ["x"]}}, 1]}]', '[{"a": [{"secret": "[FILTERED]"}, 1]}]'),
        (r'"{\"user\":{\"password\":\"x\"}}"', r'"{\"user\":{\"password\":\"[FILTERED]\"}}"'),
        ("{ user: { password: 'x', id: 7 } }", "{ user: { password: '[FILTERED]', id: 7 } }"),
        ('{:password=>"x", :id=>7}', '{:password=>"[FILTERED]", :id=>7}'),
        ("X-Api-Key: x", "X-Api-Key: [FILTERED]"),
        ("Host: a\nX-Api-Key: x\nAccept: b", "Host: a\nX-Api-Key: [FILTERED]\nAccept: b"),
        ("login failed (password: x, user: ann)", "login failed (password: [FILTERED], user: ann)"),
        ("rejected API key: sk-12345678 of ann", "rejected API key: [FILTERED] of ann"),
        ("Invalid token: a1b2c3d4e5", "Invalid token: [FILTERED]"),
        ("X-Api-Key: x password: y --token z", "X-Api-Key: [FILTERED] password: [FILTERED] --token [FILTERED]"),
        ("password: hunter2 of ann", "password: [FILTERED] of ann"),
        ("secrets: ['x', 'y'] read", "secrets: [FILTERED] read"),
        ("mysql --password x shop", "mysql --password [FILTERED] shop"),
        ("curl --api-key 'x y' --verbose", "curl --api-key '[FILTERED]' --verbose"),
        ("login with password:hunter2 failed", "login with password:[FILTERED] failed"),
        ("{user:ann,password:'x y'}", "{user:ann,password:'[FILTERED]'}"),
        ("user:password:hunter2", "user:password:[FILTERED]"),
        ("X-Api-Key:sk-12345678", "X-Api-Key:[FILTERED]"),
        ("run --password=x", "run --password=[FILTERED]"),
        ("next=password%3Dx%26a%3Db", "next=password%3D[FILTERED]%26a%3Db"),
        ("password%3Dx", "password%3D[FILTERED]"),
        ("a%253Fpassword%253Dx%2526b%253Dc", "a%253Fpassword%253D[FILTERED]%2526b%253Dc"),
        ("user%5Bpassword%5D%3Dx", "user%5Bpassword%5D%3D[FILTERED]"),
    ],
)
def test_secrets_within_texts(text: str, expected: str) -> None:
    assert SCRUBBER.text(text) == expected
    assert SCRUBBER.details({"context": {"note": text}})["context"]["note"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "password: must be at least 8 characters",
        "Validation failed: Password: too short (minimum is 8 characters)",
        "password: required",
        "token: expired",
        "token: expired user: 7",
        "password: minimum length is 8",
        "password: 8 characters at least",
        "Unexpected token: }",
        "SyntaxError: Unexpected token: punc (;)",
        "Unexpected token: identifier",
        "InvalidAuthenticityToken: ActionController::InvalidAuthenticityToken",
        "jwt.InvalidSignatureError: Signature verification failed",
        "the option --password is required",
        "--token must be given, --secret, too",
        "/srv/app/password.py:12 in reset",
        "at Token.verify (/srv/app/token.js:1:2)",
        "app/models/token.rb:42:in 'User#save'",
        "password.rb:12",
        "password:12",
        "password:12:3 in reset",
        "bin/token:42:in 'verify'",
        "token:42:in 'verify'",
        "rake token:verify",
        "undefined method 'x' for #<Token:0x00007f8b1c0d2e40>",
        "Auth::Token:0x00007f8b1c0d2e40",
        "secret:fetch1/2",
        "password:required",
        "C:\\token:12",
    ],
)
def test_sentences_and_locations_about_secrets_are_kept(text: str) -> None:
    assert SCRUBBER.text(text) == text
    assert SCRUBBER.backtrace([text]) == [text]


def test_secrets_in_frames_are_filtered_as_in_messages() -> None:
    frames = ["/a.py:1 in login(password: x)", {"file": "/b.py", "line": 1, "method": "run --token x"}]
    assert SCRUBBER.backtrace(frames) == [
        "/a.py:1 in login(password: [FILTERED])",
        {"file": "/b.py", "line": 1, "method": "run --token [FILTERED]"},
    ]


@pytest.mark.parametrize(
    "mark", ["[FILTERED]", "[Filtered]", "[REDACTED]", "<removed>", "********", "[masked]", "", None]
)
def test_marks_of_sdks_are_kept(mark: Any) -> None:
    assert SCRUBBER.details({"request": {"headers": {"Cookie": mark}}})["request"]["headers"]["Cookie"] == mark


def test_pairs_of_name_and_value_and_command_lines() -> None:
    context = {
        "headers": [["Authorization", "x"], ["Host", "y"]],
        "form": [{"name": "password", "value": "x"}, {"key": "q", "value": "y"}],
        "argv": ["run", "--password", "x", "--verbose", "y", "--token=z"],
        "query_string": "key=1&q=2",
    }
    assert SCRUBBER.details({"context": context})["context"] == {
        "headers": [["Authorization", FILTERED], ["Host", "y"]],
        "form": [{"name": "password", "value": FILTERED}, {"key": "q", "value": "y"}],
        "argv": ["run", "--password", FILTERED, "--verbose", "y", f"--token={FILTERED}"],
        "query_string": f"key={FILTERED}&q=2",
    }


def test_settings_add_and_remove_key_names() -> None:
    scrubber = Scrubber(ScrubbingPolicy(add=frozenset({"shoe_size"}), remove=frozenset({"token", "card"})))
    context = {"shoeSize": 44, "max_tokens": 5, "card": "ace", "CACHE_KEY": "k", "password": "x"}
    expected = {**context, "shoeSize": FILTERED, "CACHE_KEY": FILTERED, "password": FILTERED}
    assert scrubber.details({"context": context})["context"] == expected


def test_values_beyond_the_limits_are_shortened_and_marked() -> None:
    scrubber = Scrubber(ScrubbingPolicy(depth=3, keys=10, text=1000, frames=10))
    context = {"a": {"b": {"c": {"d": 1}}}, "l": list(range(50)), "t": "x" * 5000}
    found = scrubber.details({"context": context})["context"]
    assert found["a"]["b"]["c"] == f"{SHORTENED}: nested too deeply]"
    assert found["l"] == [*range(9), f"{SHORTENED}: 41 more left out]"]
    assert len(found["t"]) == 1000
    assert found["t"].endswith("[SHORTENED: 5000 characters in all]")
    many = scrubber.details({"context": {f"k{n}": n for n in range(30)}})["context"]
    assert len(many) == 10
    assert many["[SHORTENED]"] == "21 more keys left out"
    trace = scrubber.backtrace([f"frame {n}" for n in range(100)])
    assert trace[:5] == [f"frame {n}" for n in range(5)]
    assert trace[5] == "[SHORTENED: 91 frames left out]"
    assert trace[6:] == [f"frame {n}" for n in range(96, 100)]


def test_long_key_names_are_shortened_and_stay_unique() -> None:
    context = {"n" * 600 + str(number): number for number in range(3)}
    found = SCRUBBER.details({"context": context})["context"]
    assert sorted(found.values()) == [0, 1, 2]
    assert all(len(name) <= 500 for name in found)


REPORT = {
    "error": {
        "class": "LoginError",
        "message": "no user for https://a.example/?token=tell-nobody-1",
        "backtrace": ["https://a.example/app.js?api_key=tell-nobody-2:1:2"],
    },
    "context": {"env": {"DB_PASSWORD": "tell-nobody-3"}, "deep": [{"jwt": "tell-nobody-4"}]},
    "request": {
        "url": "https://a.example/in?password=tell-nobody-5",
        "headers": {"Authorization": "tell-nobody-6", "Host": "a.example"},
        "params": {"card_number": "tell-nobody-7"},
        "body": '{"passwd": "tell-nobody-8"}',
    },
    "user": {"id": "7", "email": "ann@example.com", "api_key": "tell-nobody-9"},
    "server": {"secret": "tell-nobody-10"},
}


def everything_stored(folder: Path) -> bytes:
    """Return all values of all tables, decompressed."""
    from checkend.db.compression import decompress

    parts: list[bytes] = []
    with closing(sqlite3.connect(next(folder.glob("*.sqlite3")))) as store:
        for (table,) in store.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%search%'"
        ):
            for row in store.execute(f"SELECT * FROM {table}"):
                for value in row:
                    packed = isinstance(value, bytes) and value[:1] == b"\x01" and len(value) != 16
                    parts.append(repr(decompress(value) if packed else value).encode())
    return b"\n".join(parts)


def test_no_secret_is_stored(app: Flask, client: FlaskClient, make: Factory) -> None:
    key = make.app()["ingestion_key"]
    for _ in range(2):  # the second is a repeat, which is only counted
        assert client.post("/ingest/v1/errors", json=REPORT, headers={"Checkend-Ingestion-Key": key}).status_code == 201
    stored = everything_stored(Path(app.instance_path))
    assert b"tell-nobody" not in stored
    assert b"ann@example.com" in stored
    assert b"a.example" in stored


@pytest.fixture
def private(tmp_path: Path) -> Callable[..., Flask]:
    return lambda **settings: create_app(
        {"RATE_LIMIT_ENABLED": "false", **settings}, instance_path=tmp_path / "private"
    )


def test_a_setting_drops_client_ips_and_users(private: Callable[..., Flask]) -> None:
    app = private(DROP_PERSONAL_DATA="true")
    key = Factory(app).app()["ingestion_key"]
    report = {
        "error": {"class": "X", "backtrace": ["/a.py:1 in b"]},
        "request": {"remote_ip": "203.0.113.9", "headers": {"X-Forwarded-For": "203.0.113.9", "Host": "h"}},
        "user": {"id": "ann-17", "email": "ann@example.com"},
        "context": {"current_user": {"name": "Ann Other"}, "environment": "production"},
    }
    for _ in range(2):
        app.test_client().post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": key})
    stored = everything_stored(Path(app.instance_path))
    services(app).close()
    for word in (b"203.0.113.9", b"ann-17", b"ann@example.com", b"Ann Other"):
        assert word not in stored
    assert b"production" in stored


def test_a_duplicate_discloses_no_more_than_its_original(private: Callable[..., Flask]) -> None:
    app = private(SCRUB_ADD="email")
    key = Factory(app).app()["ingestion_key"]
    report = {"error": {"class": "X", "backtrace": ["/a.py:1 in b"]}, "user": {"email": "ann@example.com"}}
    for _ in range(3):
        app.test_client().post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": key})
    with app.app_context():
        assert db.session.query(Notice).count() == 1
        users = db.session.query(ProblemFacet.value, ProblemFacet.count).filter_by(name="user").all()
    services(app).close()
    assert users == [(FILTERED, 3)]


def test_duplicates_count_for_their_own_facets(private: Callable[..., Flask]) -> None:
    app = private()
    key = Factory(app).app()["ingestion_key"]
    for user in ("ann", "ann", "bob", "ann", ""):
        report = {"error": {"class": "X", "backtrace": ["/a.py:1 in b"]}, "user": {"id": user}}
        app.test_client().post("/ingest/v1/errors", json=report, headers={"Checkend-Ingestion-Key": key})
    with app.app_context():
        assert db.session.query(Notice).count() == 1
        users = db.session.query(ProblemFacet.value, ProblemFacet.count).filter_by(name="user").all()
    services(app).close()
    assert dict(users) == {"ann": 3, "bob": 1}
