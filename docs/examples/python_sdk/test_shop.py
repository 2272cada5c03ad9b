"""A program with the SDK, tested against a real server."""

import pytest

import checkend


@pytest.fixture
def reporting(checkend_app):
    checkend.configure()  # reads the variables from the environment
    yield checkend_app
    checkend.stop()


def pay(amount):
    try:
        return 100 / amount
    except ZeroDivisionError as error:
        checkend.notify(error, context={"amount": amount})


def test_a_failed_payment_is_reported(reporting):
    pay(0)
    assert reporting.wait_for_problem(error_class="ZeroDivisionError")["notices_count"] == 1


def test_a_successful_payment_is_not_reported(reporting):
    assert pay(4) == 25
    reporting.assert_no_problems(within=0.1)


def test_a_rejected_report_does_not_stop_the_shop(reporting):
    reporting.set_fault(status=429, retry_after=30)
    pay(0)
    assert [request["status"] for request in reporting.wait_for_requests(1)] == [429]
    assert pay(4) == 25
