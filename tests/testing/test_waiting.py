"""Waiting for what a program reports, and what is said when it does not come."""

import itertools
import threading
import time

import pytest

from checkend.testing import CheckendApp, Server
from checkend.testing.types import ReceivedRequest
from tests.support.fixture_process import report


def rejected(app: CheckendApp, *arguments: str, timeout: float = 0.0, **expectation: object) -> str:
    """Return the message of a wait that times out."""
    with pytest.raises(AssertionError) as caught:
        app.wait_for_problem(*arguments, timeout=timeout, **expectation)  # type: ignore[arg-type]  # any of its options
    return str(caught.value)


def test_a_wait_wakes_when_the_report_comes(tested: CheckendApp) -> None:
    tested.problems()
    timer = threading.Timer(0.3, report, [tested, "Late"])
    timer.start()
    started = time.monotonic()
    problem = tested.wait_for_problem("Late", timeout=30)
    took = time.monotonic() - started
    assert problem["error_class"] == "Late"
    assert 0.25 < took < 2
    timer.join()


def test_a_problem_is_found_by_class_message_and_count(tested: CheckendApp) -> None:
    for number in (6, 7):
        report(tested, "shop.errors.PaymentFailed", f"order {number}", fingerprint="pay")
    problem = tested.wait_for_problem("PaymentFailed", count=2)
    assert tested.wait_for_problem("shop.errors.PaymentFailed", message="order 7") == problem
    assert tested.wait_for_problem(message="order 6") == problem
    assert "No problem of class 'PaymentFailed' was reported 3 times within 0 s." in rejected(
        tested, "PaymentFailed", count=3
    )
    assert "No problem whose message contains 'order 8' was reported" in rejected(tested, message="order 8")
    assert "No problem of class 'Failed' was" in rejected(tested, "Failed")


@pytest.mark.parametrize("found", ["Shop::Broken", "Shop\\Broken", "shop.Broken", "Broken"])
def test_a_class_may_be_named_without_its_namespace(tested: CheckendApp, found: str) -> None:
    report(tested, found)
    assert tested.wait_for_problem("Broken", timeout=0)["error_class"] == found


def test_nothing_at_all_is_explained(tested: CheckendApp) -> None:
    said = rejected(tested, "KeyError", timeout=0.1)
    assert said.startswith("No problem of class 'KeyError' was reported within 0.1 s.\nReported: nothing.\n")
    assert "SDKs report only in production and staging: set CHECKEND_ENVIRONMENT=production" in said
    assert f"set CHECKEND_ENDPOINT to {tested.url}" in said
    assert "flush the SDK before the program exits" in said


def test_what_came_instead_is_shown(tested: CheckendApp) -> None:
    report(tested, "TypeError", "not a\nnumber")
    report(tested, "TypeError", "not a\nnumber")
    said = rejected(tested, "KeyError")
    assert "Reported: 1 problem.\n  2 x TypeError: not a number\n" in said
    assert "The program reported a different error" in said
    assert "SDKs report only" not in said


def test_a_wrong_key_is_shown_for_what_it_is(tested: CheckendApp, fixture_server: Server) -> None:
    with fixture_server.new_app("earlier") as earlier:
        pass
    for key in ("", "cki_nobodys-key", tested.api_key, earlier.ingestion_key):
        assert report(tested, key=key)[0] == 401
    said = rejected(tested)
    assert "Rejected: 4 requests." in said
    assert "POST /ingest/v1/errors -> 401: no key: the header Checkend-Ingestion-Key was not sent" in said
    assert "401: wrong key: 'cki_nobody…' is not an ingestion key of this server" in said
    assert "is an API key for the Management API, but reports need the ingestion key" in said
    assert "is the ingestion key of app 'earlier', which was removed: its program is still running" in said
    assert "set CHECKEND_API_KEY to the `ingestion_key` of this test" in said


def test_a_refused_body_is_shown_with_the_reason(tested: CheckendApp) -> None:
    assert report(tested, body=b'{"error":{"message":"no class"}}')[0] == 422
    assert report(tested, body=b"{not json")[0] == 400
    said = rejected(tested)
    assert '-> 422: error.class is required\n    body: {"error":{"message":"no class"}}\n' in said
    assert "-> 400: " in said
    assert "body: {not json" in said


def test_a_wrong_path_is_shown_with_the_right_one(tested: CheckendApp) -> None:
    report(tested, path="/ingest/v1/errors/ingest/v1/errors")
    report(tested, path="/api/v1/errors")
    said = rejected(tested)
    assert "POST /ingest/v1/errors/ingest/v1/errors -> 404: wrong path or method: reports go to POST " in said
    assert f"POST /api/v1/errors -> 404: wrong path: reports go to POST {tested.url}/ingest/v1/errors" in said


def test_no_problems_is_asserted_for_a_time_and_fails_at_once(tested: CheckendApp) -> None:
    started = time.monotonic()
    tested.assert_no_problems(within=0.2)
    assert time.monotonic() - started > 0.19
    timer = threading.Timer(0.2, report, [tested, "Unwanted"])
    timer.start()
    started = time.monotonic()
    with pytest.raises(AssertionError, match="1 x Unwanted: it broke"):
        tested.assert_no_problems(within=30)
    assert time.monotonic() - started < 3
    timer.join()


def test_a_refused_report_is_no_silence(tested: CheckendApp) -> None:
    report(tested, key="cki_wrong")
    with pytest.raises(AssertionError, match="wrong key"):
        tested.assert_no_problems()


def test_a_failure_that_was_asked_for_is_silence(tested: CheckendApp) -> None:
    tested.faults.answer(500)
    report(tested)
    tested.assert_no_problems()
    assert "-> 500: the fault '500', which the test set" in rejected(tested)


def test_what_was_waited_for_or_expected_is_not_unexpected(tested: CheckendApp) -> None:
    tested.expect("Allowed", message="fine")
    report(tested, "Allowed", "it is fine")
    report(tested, "Waited")
    tested.wait_for_problem("Waited")
    tested.assert_nothing_unexpected(within=0.05)
    report(tested, "Allowed", "it is not")
    report(tested, "Surprise")
    with pytest.raises(AssertionError, match="did not expect: Allowed, Surprise\\."):
        tested.assert_nothing_unexpected()


def test_something_unexpected_is_waited_for(tested: CheckendApp) -> None:
    timer = threading.Timer(0.2, report, [tested, "Late"])
    timer.start()
    started = time.monotonic()
    with pytest.raises(AssertionError, match="did not expect: Late"):
        tested.assert_nothing_unexpected(within=30)
    assert time.monotonic() - started < 3
    timer.join()


def test_something_unexpected_is_not_missed_between_two_looks(
    tested: CheckendApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, is_first = tested.requests, itertools.count()

    def look_late() -> list[ReceivedRequest]:
        if next(is_first) == 0:
            report(tested, "Late")
        return look()

    monkeypatch.setattr(tested, "requests", look_late)
    with pytest.raises(AssertionError, match="did not expect: Late"):
        tested.assert_nothing_unexpected(within=0.3)


def test_waits_see_nothing_of_before_a_reset(tested: CheckendApp) -> None:
    report(tested, "Early")
    report(tested, key="cki_wrong")
    tested.wait_for_problem("Early")
    tested.reset()
    said = rejected(tested, "Early")
    assert "Reported: nothing." in said
    assert "Rejected" not in said
    assert report(tested, "Early")[0] == 201
    tested.wait_for_problem("Early", count=1, timeout=0)
