"""The button of the mail program that stops notifications: RFC 8058, from the received mail to a request over HTTP."""

from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from flask import Flask

from tests.notifications.test_delivery import create
from tests.support.api import Api
from tests.support.factories import Factory
from tests.support.mail_server import MailServer
from tests.support.server_thread import served


def test_the_header_of_a_received_mail_unsubscribes_with_one_request(
    app: Flask,
    api: Api,
    shop: dict[str, Any],
    make: Factory,
    mail_server: MailServer,
    report: Callable[..., dict[str, Any]],
    work: Callable[[], None],
) -> None:
    make.assign(make.team("Core", make.user("ada@example.com")), int(shop["id"]))
    create(api, shop, kind="email", name="Mail")
    report("First")
    work()
    [(_, message)] = mail_server.mails
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = message["List-Unsubscribe"].strip("<>")
    with served(app) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        path = url.removeprefix("https://errors.example.com")
        connection.request("POST", path, message["List-Unsubscribe-Post"], headers)
        assert connection.getresponse().status == 200
        connection.close()
    report("Second")
    work()
    assert len(mail_server.mails) == 1
