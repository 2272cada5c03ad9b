"""Waiting for what a program reports, and what is said when it does not come."""

import threading
import time

import pytest

from checkend.testing import CheckendApp, Server
from tests.support.fixture_process import report


def refused(app: CheckendApp, *arguments: str, timeout: float = 0.0, **wanted: object) -> str:
    """The text of a wait in vain."""
    with pytest.raises(AssertionError) as caught:
        app.wait_for_problem(*arguments, timeout=timeout, **wanted)  # type: ignore[arg-type]  # any of its options
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
    assert "did not arrive within 0 s" in refused(tested, "PaymentFailed", count=3)
    assert "A problem whose message contains 'order 8' did not arrive" in refused(tested, message="order 8")
    assert "A problem of class 'Failed' did not" in refused(tested, "Failed")


@pytest.mark.parametrize("found", ["Shop::Broken", "Shop\\Broken", "shop.Broken", "Broken"])
def test_a_class_may_be_named_without_its_namespace(tested: CheckendApp, found: str) -> None:
    report(tested, found)
    assert tested.wait_for_problem("Broken", timeout=0)["error_class"] == found


def test_nothing_at_all_is_explained(tested: CheckendApp) -> None:
    said = refused(tested, "KeyError", timeout=0.1)
    assert said.startswith("A problem of class 'KeyError' did not arrive within 0.1 s.\nArrived: nothing.\n")
    assert "SDKs are silent outside production and staging: set CHECKEND_ENVIRONMENT=production" in said
    assert f"set CHECKEND_ENDPOINT to {tested.url}" in said
    assert "flush it at the end" in said


def test_what_came_instead_is_shown(tested: CheckendApp) -> None:
    report(tested, "TypeError", "not a\nnumber")
    report(tested, "TypeError", "not a\nnumber")
    said = refused(tested, "KeyError")
    assert "Arrived: 1 problem(s).\n  2 x TypeError: not a number\n" in said
    assert "The program reported, but something else" in said
    assert "silent" not in said


def test_a_wrong_key_is_shown_for_what_it_is(tested: CheckendApp, fixture_server: Server) -> None:
    with fixture_server.new_app("earlier") as earlier:
        pass
    for key in ("", "cki_nobodys-key", tested.api_key, earlier.ingestion_key):
        assert report(tested, key=key)[0] == 401
    said = refused(tested)
    assert "Refused: 4 request(s)." in said
    assert "POST /ingest/v1/errors -> 401: wrong key; none was sent in the header Checkend-Ingestion-Key" in said
    assert "401: wrong key; 'cki_nobody…' is no ingestion key of this server" in said
    assert "is a key of the Management API, and reports need the ingestion key" in said
    assert "is the ingestion key of 'earlier', which is over: its program still runs" in said
    assert "set CHECKEND_API_KEY to the `ingestion_key` of this test" in said


def test_a_refused_body_is_shown_with_the_reason(tested: CheckendApp) -> None:
    assert report(tested, body=b'{"error":{"message":"no class"}}')[0] == 422
    assert report(tested, body=b"{not json")[0] == 400
    said = refused(tested)
    assert '-> 422: error.class is required\n    its body: {"error":{"message":"no class"}}\n' in said
    assert "-> 400: " in said
    assert "its body: {not json" in said


def test_a_wrong_path_is_shown_with_the_right_one(tested: CheckendApp) -> None:
    report(tested, path="/ingest/v1/errors/ingest/v1/errors")
    report(tested, path="/api/v1/errors")
    said = refused(tested)
    assert "POST /ingest/v1/errors/ingest/v1/errors -> 404: wrong path or method; reports go to POST " in said
    assert f"POST /api/v1/errors -> 404: wrong path; reports go to POST {tested.url}/ingest/v1/errors" in said


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
    assert "-> 500: the fault '500', which the test asked for" in refused(tested)


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


def test_waits_see_nothing_of_before_a_reset(tested: CheckendApp) -> None:
    report(tested, "Early")
    report(tested, key="cki_wrong")
    tested.wait_for_problem("Early")
    tested.reset()
    said = refused(tested, "Early")
    assert "Arrived: nothing." in said
    assert "Refused" not in said
    assert report(tested, "Early")[0] == 201
    tested.wait_for_problem("Early", count=1, timeout=0)
