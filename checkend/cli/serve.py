"""``checkend serve``: the server."""

import os
import signal
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from checkend.cli._support.errors import echo_if_possible
from checkend.cli._support.options import PORT
from checkend.cli._support.output import command_errors
from checkend.server.garbage_collection import collector_paused

if TYPE_CHECKING:
    from checkend.server.waitress_server import WaitressServer

EXIT_SECONDS = 9.5  # Container runtimes kill a process 10 s after the signal.


@click.command(epilog="Example: checkend serve --port 9000 --open")
@click.option("--host", help="IP address or host name to listen on. [CHECKEND_HOST, else 127.0.0.1]")
@click.option("--port", type=PORT, help="Port to listen on; 0 chooses a free one. [CHECKEND_PORT, else 8080]")
@click.option("--threads", help="Number of requests processed at the same time. [CHECKEND_THREADS, else 8]")
@click.option("--log-format", help="Format of log lines: text or json. [CHECKEND_LOG_FORMAT, else text]")
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in a browser.")
def serve(open_browser: bool, **options: str | int | None) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    The server then finishes the requests that have arrived, commits their reports, and exits with status 0. A second
    signal ends it immediately.
    """
    with command_errors():
        run_server({name.upper(): value for name, value in options.items() if value is not None}, open_browser)


def run_server(settings: dict[str, Any], open_browser: bool, folder: Path | None = None) -> None:
    """Serve the instance folder, or ``folder``, until a signal is received; ``settings`` override all others."""
    with collector_paused():
        from checkend import config
        from checkend.app import create_app
        from checkend.config.urls import local_url
        from checkend.server import waitress_server
        from checkend.services import services

        values = config.load(folder or config.instance_path())
        config.override(values, settings)
        bound = waitress_server.bind(
            values["HOST"].value, values["PORT"].value
        )  # first: if the port is in use, change nothing
        app = create_app(settings | {"PORT": bound.getsockname()[1]}, instance_path=folder)
    try:
        server = waitress_server.WaitressServer(app, bound)
        _stop_on_signals(server)
        services(app).start_workers()
        echo_if_possible(f"Checkend is listening on {server.url}")
        if open_browser:
            url = local_url(*bound.getsockname()[:2])
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        server.run()
    finally:
        services(app).close()
    echo_if_possible("Checkend has stopped.")


def _stop_on_signals(server: "WaitressServer") -> None:
    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # so that a second signal ends the process
        server.stop()
        last_resort = threading.Timer(EXIT_SECONDS, os._exit, (0,))  # even if a thread is stuck
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # shells make background jobs ignore SIGINT
            signal.signal(number, stop)
