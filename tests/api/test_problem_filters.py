"""Filters, sort orders and pages of the list of problems."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from checkend.db.session import db
from checkend.models import App, ProblemFilter
from checkend.models.counters import ProblemFacet
from checkend.models.problem_list import find_problems
from checkend.models.scope import AppScope
from tests.api.test_query_counts import bare_problem
from tests.support.api import Api, assert_error, assert_page
from tests.support.factories import Factory

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def shop(make: Factory) -> None:
    make.app("Shop")
    make.app("Other")
    make.problem(2, error_class="Elsewhere", error_message="100% of it")


def find_ids(api: Api, **parameters: Any) -> list[int]:
    response = api.get("/apps/shop/problems", **parameters)
    assert response.status_code == 200, response.get_data(as_text=True)
    ids = [problem["id"] for problem in response.get_json()["data"]]
    assert response.get_json()["pagination"]["total"] == len(ids)
    return ids


def messages(api: Api, **parameters: Any) -> set[str]:
    response = api.get("/apps/shop/problems", **parameters)
    return {problem["error_message"] for problem in response.get_json()["data"]}


def test_the_status_filters(api: Api, make: Factory) -> None:
    first, second = make.problem(1), make.problem(1)
    api.post(f"/apps/shop/problems/{first}/resolve")
    assert find_ids(api, status="resolved") == [first]
    assert find_ids(api, status="unresolved") == [second]
    assert find_ids(api) == [second, first]


SEARCHED = [
    "plain text",
    "100% sure",
    "under_score",
    "under-score",
    'it\'s "quoted"',
    "Straße nach München",
    "ΣΊΣΥΦΟΣ",
    "日本語のエラー",
    "back\\slash",
    "NEAR(a b) AND NOT c*",
    "🔥 fire",
    "a",
]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("plain text", ["plain text"]),
        ("PLAIN", ["plain text"]),
        ("lain te", ["plain text"]),
        ("%", ["100% sure"]),
        ("0%", ["100% sure"]),
        ("100%", ["100% sure"]),
        ("_", ["under_score"]),
        ("r_s", ["under_score"]),
        ("under_", ["under_score"]),
        ("nder", ["under_score", "under-score"]),
        ("'", ['it\'s "quoted"']),
        ('"', ['it\'s "quoted"']),
        ('"quoted"', ['it\'s "quoted"']),
        ("it's", ['it\'s "quoted"']),
        ("STRASSE", ["Straße nach München"]),
        ("münch", ["Straße nach München"]),
        ("MÜ", ["Straße nach München"]),
        ("ü", ["Straße nach München"]),
        ("σίσυφος", ["ΣΊΣΥΦΟΣ"]),
        ("日本", ["日本語のエラー"]),
        ("本語の", ["日本語のエラー"]),
        ("\\", ["back\\slash"]),
        ("k\\s", ["back\\slash"]),
        ("NEAR(a b)", ["NEAR(a b) AND NOT c*"]),
        ("NOT c*", ["NEAR(a b) AND NOT c*"]),
        ("🔥", ["🔥 fire"]),
        ("🔥 f", ["🔥 fire"]),
        ("nothing like it", []),
        ("plain%text", []),
        ("plain*", []),
        ("searched", SEARCHED),
        ("SearchedError", SEARCHED),
        ("e", SEARCHED),
        ("", SEARCHED),
    ],
)
def test_search_matches_substrings_literally_in_any_case(
    api: Api, make: Factory, search: str, expected: list[str]
) -> None:
    for message in SEARCHED:
        make.problem(1, error_class="SearchedError", error_message=message)
    assert messages(api, search=search) == set(expected)


@pytest.fixture
def tagged(api: Api, make: Factory) -> list[int]:
    """Create problems with the tags a, b, a and b, none; return their ids."""
    ids = [make.problem(1) for _ in range(4)]
    for place, names in enumerate([["a"], ["b"], ["a", "b"], []]):
        for name in names:
            api.post(f"/apps/shop/problems/{ids[place]}/tags", {"name": name})
    return ids


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("tags=a", [2, 0]),
        ("tags=b", [2, 1]),
        ("tags[]=a&tags[]=b", [2, 1, 0]),
        ("tags%5B%5D=a", [2, 0]),
        ("tags=a&tags=b", [2, 1, 0]),
        ("tags=a&tags[]=b", [2, 1, 0]),
        ("tags=%20A%20", [2, 0]),
        ("tags=nope", []),
        ("tags=nope&tags=b", [2, 1]),
        ("tags=a,b", []),
        ("tags=", [3, 2, 1, 0]),
        ("tags=a&status=resolved", []),
    ],
)
def test_tags_select_problems_with_any_of_them(api: Api, tagged: list[int], query: str, places: list[int]) -> None:
    response = api.get(f"/apps/shop/problems?{query}")
    ids = [problem["id"] for problem in assert_page(response, 1, 25, len(places), 1 if places else 0)]
    assert ids == [tagged[place] for place in places]


@pytest.mark.parametrize(
    ("parameters", "days"),
    [
        ({"date_from": "2024-01-02"}, [2, 1]),
        ({"date_to": "2024-01-02"}, [1, 0]),
        ({"date_from": "2024-01-02", "date_to": "2024-01-02"}, [1]),
        ({"date_from": "2024-01-03", "date_to": "2024-01-01"}, []),
        ({"date_from": "2024-01-02T23:59:59Z"}, [2, 1]),
        ({"date_from": "2024-01-02T23:59:59.5Z"}, [2, 1]),
        ({"date_from": "2024-01-03T00:00:00Z"}, [2]),
        ({"date_to": "2024-01-02T23:59:58Z"}, [0]),
        ({"date_to": "2024-01-02T23:59:59Z"}, [1, 0]),
        ({"date_to": "2024-01-02T23:59:59"}, [1, 0]),
        ({"date_to": "2024-01-03T01:59:59+02:00"}, [1, 0]),
        ({"date_to": "2024-01-03T01:59:58+02:00"}, [0]),
        ({"date_from": "2024-01-02 23:59"}, [2, 1]),
        ({"date_to": "9999-12-31"}, [2, 1, 0]),
        ({"date_from": "0001-01-01"}, [2, 1, 0]),
        ({"date_to": "0001-01-01T00:00:00+14:00"}, []),
    ],
)
def test_problems_are_filtered_by_the_time_they_were_last_noticed(
    api: Api, make: Factory, parameters: dict[str, str], days: list[int]
) -> None:
    end_of_day = timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)
    ids = [make.problem(1, at=NEW_YEAR + timedelta(days=day) + end_of_day) for day in range(3)]
    assert find_ids(api, **parameters) == [ids[day] for day in days]


def test_an_offset_whose_plus_was_decoded_as_a_space_is_accepted(api: Api, make: Factory) -> None:
    problem_id = make.problem(1, at=NEW_YEAR)
    response = api.get("/apps/shop/problems?date_to=2024-01-01T02:00:00+02:00&date_from=2024-01-01T02:00:00+02:00")
    assert [problem["id"] for problem in response.get_json()["data"]] == [problem_id]


def test_min_notices_filters(api: Api, make: Factory) -> None:
    ids = [make.problem(1, notices_count=count) for count in (0, 5, 10)]
    assert find_ids(api, min_notices=5) == [ids[2], ids[1]]
    assert find_ids(api, min_notices=0) == ids[::-1]
    assert find_ids(api, min_notices=11) == []
    assert find_ids(api, min_notices="9" * 30) == []


def test_sorting(api: Api, make: Factory) -> None:
    micro = timedelta(microseconds=1)
    first = make.problem(1, at=NEW_YEAR + micro, notices_count=1)
    second = make.problem(1, at=NEW_YEAR, notices_count=9)
    third = make.problem(1, at=NEW_YEAR + 2 * micro, notices_count=5)
    assert find_ids(api) == find_ids(api, sort="recent") == [third, first, second]
    assert find_ids(api, sort="oldest") == [second, first, third]
    assert find_ids(api, sort="notices") == [second, third, first]


def add_facets(make: Factory, problem_id: int, name: str, *values: str) -> None:
    with make.writing() as session:
        session.add_all([ProblemFacet(problem_id=problem_id, name=name, value=value, count=1) for value in values])


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("environment=production", [0, 1]),
        ("environment=PRODUCTION", [0, 1]),
        ("environment=production&environment=Größe", [0, 1, 2]),
        ("environment[]=x&environment=GRÖSSE", [2]),
        ("environment=prod", []),
        ("environment=", [0, 1, 2, 3]),
        ("release=1.4.2", [0]),
        ("release=1.4", []),
        ("release=Production", []),
        ("release=1.4.2&environment=production", [0]),
        ("release=1.4.2&environment=staging", []),
    ],
)
def test_environments_in_any_case_and_releases_filter(api: Api, make: Factory, query: str, places: list[int]) -> None:
    ids = [make.problem(1) for _ in range(4)]
    for problem_id, environment in zip(ids, ("Production", "production", "größe"), strict=False):
        add_facets(make, problem_id, "environment", environment)
    add_facets(make, ids[0], "revision", "1.4.1", "1.4.2")
    response = api.get(f"/apps/shop/problems?{query}&sort=oldest")
    assert [problem["id"] for problem in assert_page(response, 1, 25, len(places), 1 if places else 0)] == [
        ids[place] for place in places
    ]


def test_problems_are_filtered_and_sorted_by_the_time_they_were_first_noticed(api: Api, make: Factory) -> None:
    days = [make.problem(1, first_noticed_at=NEW_YEAR + timedelta(days=day)) for day in (1, 0, 2)]
    assert find_ids(api, sort="new") == [days[2], days[0], days[1]]
    assert find_ids(api, first_from="2024-01-02", sort="new") == [days[2], days[0]]
    assert find_ids(api, first_to="2024-01-02", sort="new") == [days[0], days[1]]
    assert find_ids(api, first_from="2024-01-02", first_to="2024-01-02") == [days[0]]
    assert find_ids(api, first_to="2023-12-31") == []


@pytest.mark.parametrize("scope", [AppScope.all(), AppScope.of([1])])
def test_the_newest_problems_are_read_from_an_index(app: Flask, scope: AppScope) -> None:
    with app.app_context():
        statement = find_problems(scope, ProblemFilter(sort="new")).limit(25)
        query = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
        steps = [row[3] for row in db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert len(steps) == 1
    assert "_new" in steps[0]


def all_ids(api: Api, query: str = "") -> list[int]:
    response = api.get(f"/problems?{query}")
    assert response.status_code == 200, response.get_data(as_text=True)
    ids = [problem["id"] for problem in response.get_json()["data"]]
    assert response.get_json()["pagination"]["total"] == len(ids)
    return ids


def test_the_list_across_apps_can_be_limited_to_apps_by_slug_or_id(api: Api, make: Factory) -> None:
    make.app("Third")
    in_shop, in_third = make.problem(1, error_message="100%"), make.problem(3)
    (in_other,) = all_ids(api, "app=other")
    assert all_ids(api) == all_ids(api, "app=") == [in_third, in_shop, in_other]
    assert all_ids(api, "app=shop&app=3&app[]=third") == [in_third, in_shop]
    assert all_ids(api, "search=100%25&sort=oldest") == [in_other, in_shop]
    assert all_ids(api, "search=100%25&app=1") == [in_shop]
    assert all_ids(api, "status=resolved") == []


def test_an_unknown_app_in_the_list_across_apps_is_reported(api: Api) -> None:
    response = api.get("/problems?app=shop&app=nope&app=99")
    assert_error(response, 422, "app 'nope' was not found.", "app '99' was not found.")
    assert_error(api.get("/problems?apps=shop"), 422, "Unknown parameter 'apps'; did you mean 'app'?")
    assert_error(api.get("/apps/shop/problems?app=shop"), 422)
    too_many = "&".join(f"app=a{number}" for number in range(101))
    assert_error(api.get(f"/problems?{too_many}"), 422, "app must be at most 100 names.")


def test_filters_combine(api: Api, make: Factory) -> None:
    wanted = make.problem(1, error_message="needle", notices_count=5, at=NEW_YEAR)
    make.problem(1, error_message="needle", notices_count=1, at=NEW_YEAR)
    make.problem(1, error_message="hay", notices_count=5, at=NEW_YEAR)
    make.problem(1, error_message="needle", notices_count=5)
    parameters = {"search": "needle", "min_notices": 2, "date_to": "2024-01-01", "status": "unresolved"}
    assert find_ids(api, sort="oldest", **parameters) == [wanted]


BAD_NUMBERS = ["x", "1.5", "-1", "1e3", "0x1", " ", "\u0661", "9" * 5000]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        *[(name, value, "must be a whole number, 1 or more.") for name in ("page", "per_page") for value in ["0", "x"]],
        *[("page", value, "must be a whole number, 1 or more.") for value in BAD_NUMBERS[:-1]],
        *[("per_page", value, "must be a whole number, 1 or more.") for value in BAD_NUMBERS[:-1]],
        *[("min_notices", value, "must be a whole number, 0 or more.") for value in BAD_NUMBERS[:-1]],
        *[("status", value, "must be one of resolved, unresolved, all.") for value in ("open", "Resolved", "ALL")],
        *[
            ("sort", value, "must be one of recent, oldest, notices, new, users.")
            for value in ("newest", "id; DROP TABLE")
        ],
        *[
            (name, value, "must be a date or a time, such as 2024-01-15 or 2024-01-15T10:30:00Z.")
            for name in ("date_from", "date_to", "first_from", "first_to")
            for value in ("yesterday", "2024-13-01", "2024-02-30", "15.01.2024", "1705312200", "2024-01-15T25:00")
        ],
    ],
)
def test_an_invalid_value_is_reported(api: Api, name: str, value: str, sentence: str) -> None:
    assert_error(api.get("/apps/shop/problems", **{name: value}), 422, f"{name} {sentence}")


def test_every_invalid_parameter_is_reported_at_once(api: Api) -> None:
    response = api.get("/apps/shop/problems", page="0", status="x", date_to="y")
    assert_error(response, 422)
    assert [sentence.split()[0] for sentence in response.get_json()["messages"]] == ["page", "status", "date_to"]


def test_too_many_tags_are_rejected(api: Api) -> None:
    query = "&".join(f"tags=t{number}" for number in range(101))
    assert_error(api.get(f"/apps/shop/problems?{query}"), 422, "tags must be at most 100 names.")


def test_pages(api: Api, make: Factory) -> None:
    ids = [make.problem(1) for _ in range(7)][::-1]

    def page(**parameters: Any) -> Any:
        return api.get("/apps/shop/problems", **parameters)

    assert [row["id"] for row in assert_page(page(per_page=3), 1, 3, 7, 3)] == ids[:3]
    assert [row["id"] for row in assert_page(page(per_page=3, page=3), 3, 3, 7, 3)] == ids[6:]
    assert assert_page(page(per_page=3, page=4), 4, 3, 7, 3) == []
    assert assert_page(page(page=2), 2, 25, 7, 1) == []
    assert assert_page(page(status="resolved"), 1, 25, 0, 0) == []
    assert len(assert_page(page(per_page=7), 1, 7, 7, 1)) == 7
    assert assert_page(page(per_page=3, page=2, min_notices=1), 2, 3, 0, 0) == []
    assert page(page="9" * 30).get_json()["data"] == []


def test_pages_have_at_most_a_hundred_rows(api: Api, make: Factory) -> None:
    with make.writing() as session:
        session.add_all([bare_problem(number, []) for number in range(101)])
        session.get_one(App, 1).problems_count = 101
    for size in ("100", "101", "1000000", "9" * 40):
        assert len(assert_page(api.get("/apps/shop/problems", per_page=size), 1, 100, 101, 2)) == 100
    assert len(assert_page(api.get("/apps/shop/problems", per_page=100, page=2), 2, 100, 101, 2)) == 1
    assert len(assert_page(api.get("/apps/shop/problems"), 1, 25, 101, 5)) == 25


def test_the_maintained_totals_agree_with_the_rows(api: Api, make: Factory) -> None:
    for _ in range(5):
        make.problem(1)
    api.post("/apps/shop/problems/bulk_resolve", {"problem_ids": [2, 3]})

    def total(**parameters: Any) -> tuple[int, int]:
        response = api.get("/apps/shop/problems", **parameters).get_json()
        return response["pagination"]["total"], len(response["data"])

    assert (total(), total(status="resolved"), total(status="unresolved")) == ((5, 5), (2, 2), (3, 3))


def test_problems_are_sorted_by_the_number_of_their_users(api: Api, client: FlaskClient, make: Factory) -> None:
    key = make.app("Portal")["ingestion_key"]
    for number, users in (("One", 1), ("Three", 3), ("None", 0), ("Two", 2)):
        for user in range(max(users, 1)):
            body = {
                "error": {"class": number, "message": f"{user}", "backtrace": [f"/srv/{number}.py:{user + 1} in f"]},
                "user": {"id": user} if users else {},
            }
            sent = client.post("/ingest/v1/errors", json=body, headers={"Checkend-Ingestion-Key": key})
            assert sent.status_code == 201
    for path in ("/problems", "/apps/portal/problems"):
        found = api.get(path, sort="users", app="portal") if path == "/problems" else api.get(path, sort="users")
        assert [problem["error_class"] for problem in found.get_json()["data"]] == ["Three", "Two", "One", "None"]
