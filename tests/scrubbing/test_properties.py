"""Properties for any input: parsing and scrubbing terminate, are deterministic, and leave no secret."""

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from checkend.ingest.exceptions import InvalidReportError, MalformedReportError
from checkend.ingest.json_body import read_json
from checkend.ingest.normalize import normalize_report
from checkend.scrubbing.scrubber import Scrubber, ScrubbingPolicy
from checkend.scrubbing.text_patterns import may_contain_secrets
from tests.support.factories import Factory

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = Scrubber(ScrubbingPolicy(depth=5, keys=6, text=1000, frames=10))
WIDE = Scrubber(ScrubbingPolicy())

names = st.sampled_from("password apiKey X-Auth-Token cookie user name q key value headers".split()) | st.text(
    max_size=8
)
labels = ["password: ", "X-Api-Key: ", "API key: ", "--password ", "--", "password%3D", "%253D", ":secret=>", "=>"]
labels += [
    '{"user": {"password": ',
    "secret: [",
    "token",
    "password:",
    "api_key:'",
    ":hunter2",
    ":12",
    "/2",
    "cookie:",
    "BEARER ",
    "basic ",
    "Authorization",
    "authorization:",
]
pieces = (
    '?token= &password= = & ; # " \' \\" \\ : => { } [ ] , Bearer Cookie: Authorization: %3F %26 %3D :// @ abc a1b2'
)
fragments = st.sampled_from(
    [*pieces.split(), "password", "[FILTERED]", "[SHORTENED", "https://u:p@h/", " ", "\n", *labels]
)
texts = st.text(max_size=30) | st.lists(fragments, max_size=12).map("".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5), max_leaves=12
)
objects = st.dictionaries(names, values, max_size=5)
many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def details(context: Any) -> dict[str, dict[str, Any]]:
    return {"context": context, "request": {}, "user": {}, "notifier": {}}


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is not equal to itself


@many
@given(objects)
def test_scrubbing_details_is_idempotent_and_keeps_the_input(context: dict[str, Any]) -> None:
    before = copy.deepcopy(context)
    for scrubber in (SMALL, WIDE):
        once = scrubber.details(details(context))
        assert same(scrubber.details(once), once)
        assert same(scrubber.details(details(context)), once)
    assert same(context, before)


@many
@given(texts)
@example("?token=" + "x" * 2000)
@example('{"password":"' + "x" * 990)
@example("x" * 985 + "?token=abcdefghijklmnopqrstuvwxyz")
@example("x" * 940 + "?token=abc" * 20)
def test_scrubbing_texts_is_idempotent(text: str) -> None:
    for scrubber in (SMALL, WIDE):
        once = scrubber.text(text)
        assert scrubber.text(once) == once
    assert len(SMALL.text(text)) <= 1000


@many
@given(texts)
def test_may_contain_secrets_has_no_false_negatives(text: str) -> None:
    if not may_contain_secrets(text):
        assert WIDE.text(text) == text


@many
@given(values)
def test_scrubbing_backtraces_is_idempotent(raw: Any) -> None:
    for scrubber in (SMALL, WIDE):
        once = scrubber.backtrace(raw)
        assert same(scrubber.backtrace(once), once)


SECRET = "Zq7-tell-nobody"
wrapped = st.recursive(
    st.sampled_from(
        [
            {"password": SECRET},
            {"X-Api-Key": [SECRET]},
            {"userToken": {"nested": SECRET}},
            {"url": f"https://h/p?a=1&access_token={SECRET}"},
            {"body": json.dumps({"secret": SECRET})},
            {"dsn_text": f"postgres://me:{SECRET}@h/d"},
            {"note": f"Password={SECRET};x=1"},
            [["Cookie", SECRET]],
            {"name": "authorization", "value": SECRET},
        ]
    ),
    lambda inner: (
        st.tuples(names.filter(lambda name: name not in ("name", "key", "value")), inner).map(lambda p: {p[0]: p[1]})
        | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@many
@given(wrapped)
def test_values_of_secret_keys_are_filtered_at_any_depth(value: Any) -> None:
    assert SECRET not in repr(WIDE.details(details({"around": value})))


def read(body: bytes) -> Any:
    """Return the normalized report, or the message of its rejection."""
    try:
        return normalize_report(read_json(body), NOW)
    except (MalformedReportError, InvalidReportError) as rejected:
        return str(rejected)


as_json = values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
shaped = st.fixed_dictionaries(
    {
        "error": st.fixed_dictionaries(
            {},
            optional={name: values for name in ("class", "message", "backtrace", "tags", "occurred_at", "fingerprint")},
        )
        | values
    },
    optional={
        name: values
        for name in ("error_class", "message", "context", "request", "user", "user_info", "notifier", "tags", "x")
    },
).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))


@many
@given(st.binary(max_size=200) | as_json | shaped)
@example(b'{"error":{"class":"X","message":"\\ud800"}}')
@example(b'{"error":{"class":"X","occurred_at":1e308}}')
@example(b'{"error":{"class":"X","occurred_at":-1e308}}')
@example(b'{"error":{"class":"X","occurred_at":NaN}}')
@example(b'{"error":{"class":"X"},"context":' + b"9" * 5000 + b"}")
@example(b"\xff\xfe{\x00}\x00")
def test_every_body_is_accepted_or_rejected_deterministically(body: bytes) -> None:
    first = read(body)
    assert same(read(body), first)
    if not isinstance(first, str):
        assert first.error_class
        assert first.occurred_at <= NOW
        json.dumps(first.details)


@many
@given(objects)
def test_unknown_fields_are_kept(extra: dict[str, Any]) -> None:
    taken = {"error", "context", "request", "user", "user_info", "notifier", "tags", "class", "message", "backtrace"}
    taken |= {"error_class", "error_message", "fingerprint", "occurred_at"}
    extra = json.loads(
        json.dumps({name: value for name, value in extra.items() if name not in taken and value is not None})
    )
    report = normalize_report({"error": {"class": "X"}, **copy.deepcopy(extra)}, NOW)
    assert same({name: report.details["context"][name] for name in extra}, extra)


LONG = (
    *("?" * 500_000, "?a" * 250_000, "&a=" * 200_000, "a=" * 250_000, ",a" * 250_000 + "=", "%3Fa%3D" * 80_000),
    *('"a":' * 150_000, '"' * 500_000, '\\"a\\":\\"' * 60_000, "'" + "a" * 500_000, "{'a': " * 100_000),
    *('"a":"' + "\\" * 500_000, '"password":[' * 50_000, "a://b:" * 100_000, "a://" + "b" * 500_000),
    *("password: " * 50_000, "secret: [" * 50_000, "--password " * 45_000, "password%3D" * 50_000, "%253D" * 100_000),
    *("Bearer " * 80_000, "Bearer " + "a." * 300_000, "Cookie:" * 80_000),
)


@pytest.mark.parametrize("text", LONG, ids=lambda text: f"{text[:12]}…{len(text)}")
def test_scrubbing_hostile_texts_takes_bounded_time(text: str) -> None:
    began = time.perf_counter()
    once = WIDE.text(text)
    assert time.perf_counter() - began < 3
    assert len(once) <= WIDE.policy.text


@pytest.mark.parametrize("depth", [100, 1000, 5000, 150_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_excessive_nesting_is_shortened_or_rejected(
    client: FlaskClient, make: Factory, opening: str, closing: str, depth: int
) -> None:
    body = f'{{"error":{{"class":"X"}},"context":{opening * depth}1{closing * depth}}}'.encode()
    response = client.post(
        "/ingest/v1/errors", data=body, headers={"Checkend-Ingestion-Key": make.app()["ingestion_key"]}
    )
    assert response.status_code in (201, 400)
    assert depth > 100 or response.status_code == 201
    assert response.status_code == 201 or "nested too deeply" in response.json["error"]
