"""Outgoing requests reach permitted addresses only, take limited time and memory, and never disclose the URL."""

import ipaddress
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checkend.config import load
from checkend.exceptions import SettingError
from checkend.notifications import http
from checkend.notifications.channels.base import OutgoingRequest
from checkend.notifications.http import (
    MAX_BODY_BYTES,
    MAX_LARGE_BODY_BYTES,
    Destination,
    DestinationRejectedError,
    HttpResponse,
    OutboundPolicy,
    RequestFailedError,
    send,
)

SECRET = "T0K3N"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[socket.socket], None]


def policy(*allow: str, private: bool = True) -> OutboundPolicy:
    return OutboundPolicy.from_config({"OUTBOUND_ALLOW": allow, "OUTBOUND_PRIVATE": private})


LOOPBACK = policy("127.0.0.0/8", "::1")


class Receiver:
    """A server on loopback that runs ``handler`` for each connection and records the bytes of the request."""

    def __init__(
        self,
        handler: Handler,
        *,
        context: ssl.SSLContext | None = None,
        family: int = socket.AF_INET,
        reads_body: bool = True,
    ) -> None:
        self._handler, self._context, self._reads_body = handler, context, reads_body
        self._listener = socket.socket(family)
        self._listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.request = b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(5)
                if connection.recv(1, socket.MSG_PEEK) == b"":
                    return  # close() connects and sends nothing
                self.connections += 1
                with suppress(OSError):
                    self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            while b"\r\n\r\n" not in self.request or (self._reads_body and not self._is_complete()):
                self.request += connection.recv(65_536)
            self._handler(connection)

    def _is_complete(self) -> bool:
        head, _, body = self.request.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return length is None or len(body) >= int(length[1])

    def close(self) -> None:
        with suppress(OSError), socket.socket(self._listener.family) as client:
            client.connect(self._listener.getsockname())
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    receivers: list[Receiver] = []

    def start(handler: Handler | bytes = OK, **options: Any) -> Receiver:
        receivers.append(Receiver(handler if callable(handler) else lambda sock: sock.sendall(handler), **options))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


Receive = Callable[..., Receiver]


def post(url: str, rules: OutboundPolicy = LOOPBACK, *, timeout: float = 5, **options: Any) -> HttpResponse:
    return send(rules, OutgoingRequest(**{"url": url, "body": b"{}", **options}), timeout=timeout)


def failure(error: type[Exception], url: str, rules: OutboundPolicy = LOOPBACK, **options: Any) -> str:
    """Return the message of the error, which discloses no secret of the URL and chains no exception that could."""
    with pytest.raises(error) as raised:
        post(url, rules, **options)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return str(raised.value)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str, port: int | None = None) -> list[str]:
    """Let every host name resolve to ``addresses``; return the list that collects the names looked up."""
    lookups: list[str] = []

    def getaddrinfo(host: str, service: int, *args: Any, **kwargs: Any) -> list[Any]:
        lookups.append(host)
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (
                families[ipaddress.ip_address(address).version],
                socket.SOCK_STREAM,
                6,
                "",
                (address, port or service, 0, 0) if ":" in address else (address, port or service),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return lookups


# The request and the response


def test_the_request_arrives_and_the_response_is_returned(receive: Receive) -> None:
    receiver = receive(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nno")
    response = post(f"http://127.0.0.1:{receiver.port}/hook/ü?a=b#part", headers={"Content-Type": "text/x"})
    assert response == HttpResponse(429, {"retry-after": "7", "x-a": "1, 2", "content-length": "2"}, b"no")
    head, _, body = receiver.request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook/%C3%BC?a=b HTTP/1.1"
    assert {f"Host: 127.0.0.1:{receiver.port}", "Content-Type: text/x", "Connection: close"} <= set(lines)
    assert any(line.startswith("User-Agent: Checkend/") for line in lines)
    assert "Accept-Encoding: identity" in lines
    assert body == b"{}"


def test_a_url_without_path_and_other_methods(receive: Receive) -> None:
    receiver = receive()
    assert post(f"http://127.0.0.1:{receiver.port}?q", method="GET", body=b"").body == b"ok"
    assert receiver.request.startswith(b"GET /?q HTTP/1.1\r\n")


def test_the_default_port_is_left_out_of_the_host_header(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receive()
    resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    post("http://Hooks.Example.com./x")
    assert b"\r\nHost: hooks.example.com\r\n" in receiver.request


def test_ipv6(receive: Receive) -> None:
    receiver = receive(family=socket.AF_INET6)
    assert post(f"http://[::1]:{receiver.port}/").status == 200
    assert f"Host: [::1]:{receiver.port}".encode() in receiver.request


def test_chunked_and_unterminated_bodies_are_read(receive: Receive) -> None:
    chunked = receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert post(f"http://127.0.0.1:{chunked.port}/") == HttpResponse(
        200, {"transfer-encoding": "chunked"}, b"abc", truncated=False
    )
    until_closed = receive(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert post(f"http://127.0.0.1:{until_closed.port}/") == HttpResponse(200, {}, b"abc", truncated=False)


def test_a_body_that_breaks_off_is_marked_as_truncated(receive: Receive) -> None:
    receiver = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    response = post(f"http://127.0.0.1:{receiver.port}/")
    assert (response.status, response.body, response.truncated) == (200, b"abc", True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_returned_and_not_followed(status: int, receive: Receive) -> None:
    target = receive()
    location = f"http://127.0.0.1:{target.port}/"
    receiver = receive(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    response = post(f"http://127.0.0.1:{receiver.port}/")
    assert (response.status, response.headers["location"]) == (status, location)
    assert (receiver.connections, target.connections) == (1, 0)


def test_proxies_of_the_environment_are_not_used(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = receive(), receive()
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert post(f"http://127.0.0.1:{receiver.port}/").status == 200
    assert (receiver.connections, proxy.connections) == (1, 0)


def test_failures_are_not_retried(receive: Receive) -> None:
    receiver = receive(lambda sock: None)
    message = failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/{SECRET}?q={SECRET}")
    assert message == (
        f"The request to http://127.0.0.1:{receiver.port} failed: the connection was closed before a response arrived."
    )
    assert receiver.connections == 1


# The URL


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://example.com/{SECRET}",
        f"ftp://example.com:80/{SECRET}",
        f"file:///etc/{SECRET}",
        f"{SECRET}",
        f"//example.com/{SECRET}",
        f"http:///{SECRET}",
        f"https:example.com/{SECRET}",
        f"http://example.com:0/{SECRET}",
        f"http://example.com:65536/{SECRET}",
        f"http://example.com:{SECRET}/",
        f"http://[::1/{SECRET}",
        f"http://[::1]x/{SECRET}",
        f"http://a..b/{SECRET}",
        f"http://.a/{SECRET}",
        f"http://{'a' * 64}.example/{SECRET}",
        f"http://127%2e0.0.1/{SECRET}",
        f"http://a,b/{SECRET}",
    ],
)
def test_malformed_urls_are_rejected(url: str) -> None:
    assert "must begin with http:// or https:// and a valid host" in failure(DestinationRejectedError, url)


@pytest.mark.parametrize("url", ["http://u@example.com/", "http://u:T0K3N@example.com/", "https://@example.com/"])
def test_urls_with_credentials_are_rejected(url: str) -> None:
    assert failure(DestinationRejectedError, url) == "The URL must not contain a user name or password."


@pytest.mark.parametrize("char", [" ", "\t", "\r\n", "\0", "\x7f", "\\"])
def test_urls_with_control_characters_are_rejected(char: str) -> None:
    for url in (f"http://example.com/{char}{SECRET}", f"http://exa{char}mple.com/", f"{char}http://example.com/"):
        assert "control characters" in failure(DestinationRejectedError, url)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection"])
def test_headers_that_frame_the_request_are_rejected(name: str, receive: Receive) -> None:
    url = f"http://127.0.0.1:{receive().port}/{SECRET}"
    assert name in failure(DestinationRejectedError, url, headers={name: SECRET})


@pytest.mark.parametrize("headers", [{"X": f"{SECRET}\r\nA: b"}, {"X\n": SECRET}, {"X": f"{SECRET}€"}])
def test_headers_that_http_does_not_allow_are_rejected(headers: dict[str, str], receive: Receive) -> None:
    receiver = receive()
    url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
    assert "characters that HTTP does not allow" in failure(DestinationRejectedError, url, headers=headers)
    assert receiver.request == b""


# Addresses


@pytest.mark.parametrize(
    ("address", "category"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.170.2", "cloud metadata"),
        ("100.100.100.200", "cloud metadata"),
        ("168.63.129.16", "cloud metadata"),
        ("192.0.0.192", "cloud metadata"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fd20:ce::254", "cloud metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("192.0.2.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2001:20::1", "reserved"),
        ("fec0::1", "reserved"),
        ("4000::1", "reserved"),
        ("::7f00:1", "reserved"),  # IPv4-compatible
        ("::ffff:0:127.0.0.1", "reserved"),  # IPv4-translated
        ("64:ff9b:1::7f00:1", "reserved"),  # local NAT64
        # IPv4-mapped
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::ffff:127.0.0.1%1", "loopback"),
        # NAT64
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::169.254.169.254", "cloud metadata"),
        ("64:ff9b::224.0.0.1", "multicast"),
        # 6to4
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "cloud metadata"),
        # Teredo: the server, and the client with its bits inverted
        ("2001:0:7f00:1::f7f7:f7f7", "loopback"),
        ("2001:0:808:808::80ff:fffe", "loopback"),
        # Everything else
        ("8.8.8.8", None),
        ("172.32.0.1", None),
        ("100.128.0.1", None),
        ("2606:4700::1111", None),
        ("2600::1%eth0", None),
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::8.8.8.8", None),
        ("2002:808:808::1", None),
        ("2001:0:808:808::f7f7:f7f7", None),
    ],
)
def test_addresses_by_category(address: str, category: str | None) -> None:
    rejection = policy().rejection("example.com", ipaddress.ip_address(address))
    assert rejection is None if category is None else rejection is not None and f"({category})" in rejection


PRIVATE = ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]
PRIVATE += ["64:ff9b::10.0.0.1", "2002:a00:1::"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_permitted_unless_switched_off(address: str) -> None:
    assert policy().rejection("a.example", ipaddress.ip_address(address)) is None
    rejection = policy(private=False).rejection("a.example", ipaddress.ip_address(address))
    assert rejection is not None
    assert "(private)" in rejection
    assert "set CHECKEND_OUTBOUND_PRIVATE to true, or add" in rejection
    assert policy("a.example", private=False).rejection("a.example", ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    ("allow", "host", "address", "permitted"),
    [
        ("127.0.0.1", "x.example", "127.0.0.1", True),
        ("127.0.0.1", "x.example", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "x.example", "127.0.0.2", False),
        ("127.0.0.1", "x.example", "::1", False),
        ("127.0.0.1", "x.example", "64:ff9b::7f00:1", False),  # the gateway's loopback address
        ("64:ff9b::/96", "x.example", "64:ff9b::7f00:1", True),
        ("127.0.0.0/8", "x.example", "127.9.9.9", True),
        ("fe80::/10", "x.example", "fe80::1%eth0", True),
        ("198.18.0.0/15", "x.example", "198.18.0.1", True),
        ("x.example", "x.example", "169.254.169.254", True),
        ("x.example", "y.x.example", "127.0.0.1", False),
        ("0.0.0.0/0", "x.example", "224.0.0.1", False),
        ("x.example", "x.example", "255.255.255.255", False),
        ("x.example", "x.example", "ff02::1", False),
    ],
)
def test_the_allow_list(allow: str, host: str, address: str, permitted: bool) -> None:
    assert (policy(allow).rejection(host, ipaddress.ip_address(address)) is None) is permitted


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "localhost", "[::1]", "①②⑦.1"]
)
def test_loopback_is_rejected_however_it_is_spelled(host: str, receive: Receive) -> None:
    receiver = receive()
    message = failure(DestinationRejectedError, f"http://{host}:{receiver.port}/{SECRET}", policy())
    assert "CHECKEND_OUTBOUND_ALLOW" in message
    assert receiver.connections == 0


def test_the_rejection_names_the_address_and_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "169.254.169.254")
    message = failure(DestinationRejectedError, f"https://hooks.example.com/{SECRET}?t={SECRET}")
    assert message == (
        "The request to https://hooks.example.com:443 was rejected: 169.254.169.254 (cloud metadata) is not permitted. "
        "To permit it, add 169.254.169.254 or the host name to CHECKEND_OUTBOUND_ALLOW."
    )


def test_one_forbidden_address_rejects_the_request(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receive()
    resolve_to(monkeypatch, "127.0.0.1", "10.0.0.1", "169.254.169.254")
    failure(DestinationRejectedError, f"http://hooks.example.com:{receiver.port}/")
    assert receiver.connections == 0


def test_the_host_is_looked_up_once(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, other = receive(), receive()
    resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    first, lookups = socket.getaddrinfo, []

    def changing(host: Any, *args: Any, **kwargs: Any) -> Any:
        lookups.append(host)
        if len(lookups) > 1:  # what a second lookup would connect to
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", other.port))]
        return first(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    assert post("http://hooks.example.com/").status == 200
    assert lookups == ["hooks.example.com"]
    assert (receiver.connections, other.connections) == (1, 0)


def test_the_next_address_is_used_if_one_does_not_connect(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receive()
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1", port=receiver.port)
    assert post("http://hooks.example.com/").status == 200


def test_the_next_address_is_used_if_a_protocol_is_not_available(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = receive()
    resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    available = socket.getaddrinfo("a.example", 80)
    unavailable = (socket.AF_DECnet, *available[0][1:])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [unavailable, *available])
    assert post("http://hooks.example.com/").status == 200


def test_international_host_names(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receive()
    lookups = resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    post("http://Bücher.example/")
    assert lookups == ["xn--bcher-kva.example"]
    assert b"\r\nHost: xn--bcher-kva.example\r\n" in receiver.request


def test_the_zone_of_an_address_is_kept_out_of_the_headers(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = receive()
    lookups = resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    post("http://[fe80::1%25eth0]:81/")
    assert Destination.parse("https://[fe80::1%25eth0]/").server_name == "fe80::1"
    assert lookups == ["fe80::1%eth0"]
    assert b"\r\nHost: [fe80::1]:81\r\n" in receiver.request


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert failure(RequestFailedError, f"https://nowhere.example/{SECRET}") == (
        "The request to https://nowhere.example:443 failed: the host name could not be resolved "
        "(Name or service not known)."
    )


def test_a_refused_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        message = failure(RequestFailedError, f"http://127.0.0.1:{port}/{SECRET}")
    assert message == f"The request to http://127.0.0.1:{port} failed: Connection refused."


# Time


def elapsed(start: float, *, limit: float) -> None:
    assert time.monotonic() - start < limit


def trickle(data: bytes, then: bytes) -> Handler:
    """Send ``data``, then ``then`` again and again, faster than any timeout of a single operation."""

    def handler(sock: socket.socket) -> None:
        sock.sendall(data)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            sock.sendall(then)
            time.sleep(0.02)

    return handler


@pytest.mark.parametrize(
    ("data", "then"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_the_deadline_holds_for_a_head_that_trickles(data: bytes, then: bytes, receive: Receive) -> None:
    receiver = receive(trickle(data, then))
    start = time.monotonic()
    message = failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/{SECRET}", timeout=0.25)
    assert message.endswith("failed: no response within 0.25 seconds.")
    elapsed(start, limit=1.5)


def read_slowly(sock: socket.socket) -> None:
    until = time.monotonic() + 3
    while time.monotonic() < until and sock.recv(65_536):
        time.sleep(0.02)


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 9999\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_the_deadline_holds_for_a_body_that_trickles(framing: bytes, receive: Receive) -> None:
    piece = b"1\r\nx\r\n" if b"chunked" in framing else b"x"
    receiver = receive(trickle(b"HTTP/1.1 202 Accepted\r\n" + framing + b"\r\n", piece))
    start = time.monotonic()
    response = post(f"http://127.0.0.1:{receiver.port}/", timeout=0.25)
    elapsed(start, limit=1.5)
    assert (response.status, response.truncated) == (202, True)
    assert 0 < len(response.body) < 100
    assert set(response.body) == set(b"x")


def test_the_deadline_holds_for_a_receiver_that_does_not_respond(receive: Receive) -> None:
    done = threading.Event()
    receiver = receive(lambda sock: done.wait(3) and None)
    start = time.monotonic()
    message = failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/{SECRET}", timeout=0.2)
    done.set()
    elapsed(start, limit=1.5)
    assert message.endswith("no response within 0.2 seconds.")


def test_the_deadline_holds_for_a_receiver_that_does_not_read(receive: Receive) -> None:
    done = threading.Event()
    receiver = receive(lambda sock: done.wait(3) and None, reads_body=False)
    start = time.monotonic()
    failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/", body=bytes(20_000_000), timeout=0.3)
    done.set()
    elapsed(start, limit=1.5)


def test_the_deadline_holds_for_a_receiver_that_does_not_accept() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):  # fills the queue
            start = time.monotonic()
            failure(RequestFailedError, f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.2)
            elapsed(start, limit=1.5)


def test_the_deadline_holds_for_a_handshake_that_is_not_answered(receive: Receive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start = time.monotonic()
        message = failure(RequestFailedError, f"https://127.0.0.1:{listener.getsockname()[1]}/{SECRET}", timeout=0.2)
        elapsed(start, limit=1.5)
        assert message.endswith("no response within 0.2 seconds.")


def test_lookups_that_hang_are_abandoned_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    release, started = threading.Event(), []

    def hang(*args: Any, **kwargs: Any) -> Any:
        started.append(threading.current_thread())
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "hanging")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(http, "_lookups", threading.BoundedSemaphore(2))
    start = time.monotonic()
    for _ in range(4):
        message = failure(RequestFailedError, f"http://slow.example/{SECRET}", timeout=0.05)
        assert "the host name could not be resolved (the resolver did not respond in time)" in message
    elapsed(start, limit=2)
    assert len(started) == 2
    assert all(thread.daemon for thread in started)
    release.set()
    for thread in started:
        thread.join(5)
    assert "(hanging)" in failure(RequestFailedError, "http://slow.example/")  # the slots are free again


# Size


def flood(data: bytes, then: bytes, sent: list[int]) -> Handler:
    def handler(sock: socket.socket) -> None:
        sock.sendall(data)
        for _ in range(2000):  # 128 MB
            sent.append(sock.send(then * (65_536 // len(then))))

    return handler


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 10000000000\r\n"])
def test_a_huge_body_is_cut_and_not_downloaded(framing: bytes, receive: Receive) -> None:
    sent: list[int] = []
    receiver = receive(flood(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n", b"x", sent))
    response = post(f"http://127.0.0.1:{receiver.port}/")
    assert (response.status, response.body, response.truncated) == (200, b"x" * MAX_BODY_BYTES, True)
    receiver.close()
    assert sum(sent) < 30_000_000  # what the buffers of the operating system take


def test_a_body_of_exactly_the_limit_is_complete(receive: Receive) -> None:
    body = b"y" * MAX_BODY_BYTES
    receiver = receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    response = post(f"http://127.0.0.1:{receiver.port}/")
    assert (response.body, response.truncated) == (body, False)


def test_a_caller_can_read_up_to_a_megabyte(receive: Receive) -> None:
    sent: list[int] = []
    receiver = receive(flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x", sent))
    request = OutgoingRequest(f"http://127.0.0.1:{receiver.port}/", b"", method="GET")
    response = send(LOOPBACK, request, max_body=MAX_LARGE_BODY_BYTES)
    assert (len(response.body), response.truncated) == (1_048_576, True)
    receiver.close()
    assert sum(sent) < 30_000_000


def test_the_framing_of_chunks_is_limited_too(receive: Receive) -> None:
    sent: list[int] = []
    chunk = b"1;" + b"e" * 30_000 + b"\r\nz\r\n"
    receiver = receive(flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, sent))
    response = post(f"http://127.0.0.1:{receiver.port}/")
    assert response.truncated
    assert len(response.body) < 20


def test_a_compressed_body_is_not_decompressed(receive: Receive) -> None:
    receiver = receive(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bx")
    assert post(f"http://127.0.0.1:{receiver.port}/").body == b"\x1f\x8bx"


@pytest.mark.parametrize(
    ("data", "then"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: " + b"b" * 10_000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"b"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_huge_head_is_rejected(data: bytes, then: bytes, receive: Receive) -> None:
    sent: list[int] = []
    receiver = receive(flood(data, then, sent))
    message = failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/{SECRET}")
    assert message.endswith(("the headers of the response are too large.", "the response is not valid HTTP."))
    receiver.close()
    assert sum(sent) < 30_000_000


def test_an_echo_of_the_request_is_not_disclosed(receive: Receive) -> None:
    receiver = receive(lambda sock: sock.sendall(receiver.request))
    message = failure(RequestFailedError, f"http://127.0.0.1:{receiver.port}/{SECRET}")
    assert message.endswith("failed: the response is not valid HTTP.")


def test_headers_that_cannot_be_parsed_do_not_disclose_the_url(
    receive: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = receive(b"HTTP/1.1 200 OK\r\nA: b\r\n no colon\r\nnonsense\r\nContent-Length: 2\r\n\r\nok")
    with caplog.at_level("DEBUG"):
        assert post(f"http://127.0.0.1:{receiver.port}/{SECRET}").status == 200
    assert SECRET not in caplog.text


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-signed certificate for hooks.example.com and 127.0.0.1, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("hooks.example.com"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the certificate one of the system's authorities."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    http._tls_context.cache_clear()
    yield
    http._tls_context.cache_clear()


def test_no_thread_for_the_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(http, "_lookups", threading.BoundedSemaphore(1))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert "no thread could be started" in failure(RequestFailedError, "http://127.0.0.1:1/")
    assert "Connection refused" in failure(RequestFailedError, "http://127.0.0.1:1/")


def test_a_self_signed_certificate_is_rejected(receive: Receive, server_tls: ssl.SSLContext) -> None:
    receiver = receive(context=server_tls)
    message = failure(RequestFailedError, f"https://127.0.0.1:{receiver.port}/{SECRET}")
    assert "the TLS certificate is not valid (self-signed certificate)" in message
    assert receiver.request == b""


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_the_host_name_is_accepted(
    receive: Receive, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str | None] = []
    server_tls.sni_callback = lambda sock, name, context: names.append(name)
    receiver = receive(context=server_tls)
    assert post(f"https://127.0.0.1:{receiver.port}/").body == b"ok"
    receiver.request = b""
    resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    assert post("https://hooks.example.com./", body=b"x" * 1_000_000).status == 200
    assert names == [None, "hooks.example.com"]
    assert b"\r\nHost: hooks.example.com\r\n" in receiver.request


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_rejected(
    receive: Receive, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = receive(context=server_tls)
    resolve_to(monkeypatch, "127.0.0.1", port=receiver.port)
    message = failure(RequestFailedError, f"https://other.example.com/{SECRET}")
    assert "not valid for 'other.example.com'" in message
    assert receiver.request == b""


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("handler", "body"),
    [
        (trickle(b"HTTP/1.1 200 OK\r\nX: ", b"x"), b""),
        (lambda sock: time.sleep(0.6), bytes(20_000_000)),
        (read_slowly, bytes(20_000_000)),
    ],
    ids=["trickling", "not reading", "reading slowly"],
)
def test_the_deadline_holds_over_tls(
    handler: Handler, body: bytes, receive: Receive, server_tls: ssl.SSLContext
) -> None:
    receiver = receive(handler, context=server_tls, reads_body=False)
    start = time.monotonic()
    failure(RequestFailedError, f"https://127.0.0.1:{receiver.port}/", body=body, timeout=0.4)
    elapsed(start, limit=1.5)


@pytest.mark.usefixtures("trusted")
def test_sizes_are_limited_over_tls(receive: Receive, server_tls: ssl.SSLContext) -> None:
    receiver = receive(flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x", []), context=server_tls)
    response = post(f"https://127.0.0.1:{receiver.port}/")
    assert (len(response.body), response.truncated) == (MAX_BODY_BYTES, True)


def test_https_to_a_plain_server(receive: Receive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def respond() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=respond)
        thread.start()
        message = failure(RequestFailedError, f"https://127.0.0.1:{listener.getsockname()[1]}/{SECRET}")
        thread.join()
    assert "TLS error (" in message or "closed before" in message


# Settings


@pytest.mark.parametrize(
    "value",
    "127.0.0.1:80 http://x 10.0.0.5/8 127.1 0x7f.1 a,b;c [::1] fe80::1%eth0 ::ffff:127.0.0.1 300.1.1.1 localhost,* "
    "10.0.0.0/33 a..b -a a_b.".split(),
)
def test_malformed_entries_stop_startup(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"CHECKEND_OUTBOUND_ALLOW is .*, but must be host names \(without port\)"):
        load(tmp_path, {"CHECKEND_OUTBOUND_ALLOW": value})


def test_the_policy_follows_the_settings(tmp_path: Path) -> None:
    def loaded(**environ: str) -> OutboundPolicy:
        values = load(tmp_path, {f"CHECKEND_{name}": value for name, value in environ.items()})
        return OutboundPolicy.from_config({name: value.value for name, value in values.items()})

    assert loaded() == OutboundPolicy()
    assert loaded(OUTBOUND_PRIVATE="off", OUTBOUND_ALLOW="Localhost, hooks.example.com,127.0.0.1,::1,10.0.0.0/8") == (
        OutboundPolicy(
            allow_private=False,
            allowed_hosts=frozenset({"localhost", "hooks.example.com"}),
            allowed_networks=tuple(map(ipaddress.ip_network, ("127.0.0.1/32", "::1/128", "10.0.0.0/8"))),
        )
    )


def test_importing_the_client_does_not_load_urllib3() -> None:
    program = "import sys, checkend.notifications.http; print('urllib3' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"
