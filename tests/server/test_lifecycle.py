"""Starting and stopping the server as a real process, in every supported way."""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from checkend.app import create_app
from checkend.server.waitress_server import bind
from checkend.services import services
from tests.support.factories import Factory
from tests.support.server_process import LiveServer, command, environment
from tests.support.warm_processes import Checkend, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUNNERS = {  # each a cold start, as its users know it
    "checkend serve": ["-m", "checkend.cli", "serve", "--port", "{port}"],
    "waitress-serve wsgi:app": ["-m", "waitress", "--listen=127.0.0.1:{port}", "wsgi:app"],
    "waitress-serve --call": ["-m", "waitress", "--listen=127.0.0.1:{port}", "--call", "checkend:create_app"],
    "flask run": ["-m", "flask", "--app", "wsgi", "run", "--port", "{port}"],
}


def new_app(instance: Path) -> str:
    """Create a database with an app; return its ingestion key."""
    app = create_app({}, instance_path=instance)
    key: str = Factory(app).app()["ingestion_key"]
    services(app).close()
    return key


def free_port() -> int:
    with closing(bind("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def health(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status


@contextmanager
def running(
    instance: Path, runner: str = "", *, stderr: int = subprocess.STDOUT, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the server as a process with ``checkend serve`` or one of `RUNNERS`; yield the process and its port.

    Killed at the end if it still runs.
    """
    port = free_port()
    options = {"cwd": ROOT, "env": environment(instance, **settings), "stderr": stderr}
    options |= {"stdout": subprocess.PIPE, "text": True}
    if runner:
        command = [sys.executable, *(part.format(port=port) for part in RUNNERS[runner])]
        process: subprocess.Popen[str] = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    else:
        process = Checkend(["serve", "--port", str(port)], **options)
    try:
        until = time.monotonic() + 20
        while True:
            try:
                assert health(port) == 200
                break
            except ConnectionError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < until
                time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def wait_until_one_waits(port: int) -> None:
    """Wait until a report is waiting for the database."""
    until = time.monotonic() + 20
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        while True:
            connection.request("GET", "/metrics")
            if b"\ncheckend_queue_length 1.0\n" in connection.getresponse().read():
                return
            assert time.monotonic() < until, "no report has come"
            time.sleep(0.02)


def report(port: int, key: str, answers: list[int]) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        body = json.dumps({"error": {"class": "InFlight", "message": "m"}})
        connection.request("POST", "/ingest/v1/errors", body, {"Checkend-Ingestion-Key": key})
        answers.append(connection.getresponse().status)


@contextmanager
def writing_held_up(instance: Path) -> Iterator[None]:
    """Keep all servers from writing to the database during a block."""
    with closing(sqlite3.connect(instance / "checkend.sqlite3", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        yield
        store.execute("COMMIT")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_every_way_of_running_finishes_requests_in_progress_and_exits_with_0(
    runner: str, number: signal.Signals, tmp_path: Path
) -> None:
    key = new_app(tmp_path)
    secret = (tmp_path / "secret_key").read_bytes()
    answers: list[int] = []
    with running(tmp_path, runner) as (process, port):
        with writing_held_up(tmp_path):
            sender = threading.Thread(target=report, args=(port, key, answers))
            sender.start()
            wait_until_one_waits(port)
            process.send_signal(number)
            time.sleep(0.5)
            assert process.poll() is None
        sender.join()
        output, _ = process.communicate(timeout=15)
    assert answers == [201]
    assert process.returncode == 0, output
    assert "Traceback" not in output
    with closing(sqlite3.connect(tmp_path / "checkend.sqlite3")) as store:
        assert store.execute("SELECT error_class, notices_count FROM problems").fetchall() == [("InFlight", 1)]
    assert (tmp_path / "secret_key").read_bytes() == secret
    assert [file.name for file in tmp_path.glob("*.sqlite3")] == ["checkend.sqlite3"]


def test_serve_accepts_no_connections_while_it_stops(tmp_path: Path) -> None:
    key = new_app(tmp_path)
    with running(tmp_path) as (process, port):
        answers: list[int] = []
        with writing_held_up(tmp_path), closing(http.client.HTTPConnection("127.0.0.1", port)) as idle:
            idle.connect()
            sender = threading.Thread(target=report, args=(port, key, answers))
            sender.start()
            wait_until_one_waits(port)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(ConnectionError):
                socket.create_connection(("127.0.0.1", port), timeout=5)
            idle.sock.settimeout(5)
            assert idle.sock.recv(1) == b"", "an idle connection must not hold up the end"
        sender.join()
        assert process.wait(timeout=10) == 0
    assert answers == [201]


def test_a_second_signal_stops_the_server_immediately(tmp_path: Path) -> None:
    with (
        running(tmp_path) as (process, port),
        closing(socket.create_connection(("127.0.0.1", port))) as stuck,
    ):
        stuck.sendall(b"POST /ingest/v1/errors HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == -signal.SIGTERM


def test_the_first_start_prints_the_url_and_how_to_create_the_first_admin(tmp_path: Path) -> None:
    with running(tmp_path) as (process, port):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert f"Checkend is listening on http://127.0.0.1:{port}\n" in output
    assert "the database in " in output
    assert "checkend user create you@example.com --site-admin" in output
    assert re.search(rf"http://127.0.0.1:{port}/setup/\S+\n", output)
    command(tmp_path, "user", "create", "a@example.com", "--site-admin", "--password-stdin", stdin="long enough")
    with running(tmp_path) as (process, port):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert output == f"Checkend is listening on http://127.0.0.1:{port}\nCheckend has stopped.\n"


def test_startup_messages_in_a_json_log_are_json_and_do_not_contain_the_setup_token(tmp_path: Path) -> None:
    with running(tmp_path, stderr=subprocess.PIPE, LOG_FORMAT="json") as (process, port):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    token = (tmp_path / "setup_token").read_text().strip()
    created, begin = [json.loads(line) for line in errors.splitlines()]
    assert (created["level"], created["logger"]) == ("info", "checkend.start")
    assert created["message"] == f"the database in {tmp_path} was created."
    assert f"http://127.0.0.1:{port}/setup/TOKEN with the TOKEN in the file {tmp_path}/setup_token" in begin["message"]
    assert "checkend user create you@example.com --site-admin" in begin["message"]
    assert token not in errors


def test_a_second_server_on_the_same_database_works_and_logs_a_warning(tmp_path: Path) -> None:
    key = new_app(tmp_path)
    with LiveServer(tmp_path) as first:
        with running(tmp_path, "waitress-serve wsgi:app") as (second, port):
            answers: list[int] = []
            report(port, key, answers)
            report(int(first.url.rsplit(":", 1)[1]), key, answers)
            second.send_signal(signal.SIGTERM)
            output, _ = second.communicate(timeout=10)
        assert f"another server (process {first.process.pid}) uses this database too. That is safe" in output
        assert answers == [201, 201]
    with running(tmp_path, "waitress-serve wsgi:app") as (alone, _):
        alone.send_signal(signal.SIGTERM)
        assert "another server" not in alone.communicate(timeout=10)[0]


def test_a_port_in_use_causes_an_error_message_and_changes_nothing(tmp_path: Path) -> None:
    with closing(bind("127.0.0.1", 0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        done = start(tmp_path / "new", "serve", "--port", str(port))
    assert done.returncode == 1
    assert f"Error: Cannot listen on port {port} of 127.0.0.1: Address already in use." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def start(instance: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(list(arguments), cwd=ROOT, env=environment(instance, **settings))


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_invalid_setting_prevents_every_way_of_starting_and_the_message_comes_last(
    runner: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, *(part.format(port=free_port()) for part in RUNNERS[runner])],
        cwd=ROOT,
        env=environment(tmp_path, THREADS="many"),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("CHECKEND_THREADS is 'many', but must be a whole number from 1 to 128.")
    assert "Traceback" not in done.stderr


def test_an_instance_folder_that_cannot_be_created_causes_an_error_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = start(tmp_path / "file" / "instance", "serve")
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: The instance folder {tmp_path}/file/instance cannot be created: Not a directory. "
        "Make it writable, or choose another folder with CHECKEND_INSTANCE_PATH.\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_instance_folder_causes_an_error_message(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir(mode=0o500)
    done = start(tmp_path / "instance", "serve")
    assert done.returncode == 1
    assert "is not writable. Make it writable" in done.stderr


def test_flask_db_is_available_and_finds_no_difference_between_models_and_migrations(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "check"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "No new upgrade operations detected" in done.stderr + done.stdout


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "in chunks"])
def test_a_body_far_over_the_limit_is_rejected_in_the_format_of_its_path(chunked: bool, tmp_path: Path) -> None:
    ingestion_key = new_app(tmp_path)
    api_key = command(tmp_path, "api-key", "create", "all", "--all")["key"]
    asked = {
        "/api/v1/apps": {"Checkend-API-Key": api_key},
        "/ingest/v1/errors": {"Checkend-Ingestion-Key": ingestion_key, "Origin": "https://shop.example.com"},
    }
    answers = {}
    with running(tmp_path) as (_, port):
        for path, headers in asked.items():
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(64 * 1024 * 1024)}
                connection.putrequest("POST", path)
                for name, value in (headers | length | {"Content-Type": "application/json"}).items():
                    connection.putheader(name, value)
                connection.endheaders()
                if chunked:
                    connection.send(b"1100000\r\n" + b" " * 0x1100000)
                answer = connection.getresponse()
                answers[path] = (answer.status, dict(answer.getheaders()), json.loads(answer.read()))
    status, headers, body = answers["/api/v1/apps"]
    assert (status, body) == (413, {"error": "payload_too_large", "message": "The request body is too large."})
    status, headers, body = answers["/ingest/v1/errors"]
    assert (status, body) == (413, {"error": "The request body is too large."})
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Access-Control-Expose-Headers"].startswith("Retry-After, RateLimit-")
    assert headers["Vary"] == "Origin"
    assert headers["Connection"] == "close"


def test_serve_trusts_the_configured_number_of_proxies(tmp_path: Path) -> None:
    code = (
        "import sys; from checkend.server import waitress_server; from checkend.app import create_app; from flask "
        "import request\n"
        "app = create_app({'TRUSTED_PROXIES': sys.argv[1]})\n"
        "app.add_url_rule('/who', view_func=lambda: f'{request.remote_addr} {request.scheme} {request.host}')\n"
        "server = waitress_server.WaitressServer(app, waitress_server.bind('127.0.0.1', 0))\n"
        "print(server.url, flush=True); server.run()"
    )
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "errors.example.com"}
    for proxies, seen in (("0", "127.0.0.1 http 127.0.0.1"), ("1", "203.0.113.9 https errors.example.com")):
        with subprocess.Popen(
            [sys.executable, "-c", code, proxies],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            port = int(process.stdout.readline().rsplit(":", 1)[1])
            with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                connection.request("GET", "/who", headers=told)
                assert connection.getresponse().read().decode().startswith(seen)
            process.kill()
