"""``checkend serve``."""

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

EXIT_SECONDS = 9.5  # under the 10 s that container runtimes give before they kill


@click.command(epilog="Example: checkend serve --port 9000 --open")
@click.option("--host", help="Address to listen on. [CHECKEND_HOST, else 127.0.0.1]")
@click.option("--port", type=PORT, help="Port to listen on; 0 takes a free one. [CHECKEND_PORT, else 8080]")
@click.option("--threads", help="Requests answered at the same time. [CHECKEND_THREADS, else 8]")
@click.option("--log-format", help="text for people, json for machines. [CHECKEND_LOG_FORMAT, else text]")
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in a browser.")
def serve(open_browser: bool, **options: str | int | None) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    Then what is in flight is answered and committed, and the exit status is 0. A second signal ends it at once.
    """
    with command_errors():
        run_server({name.upper(): value for name, value in options.items() if value is not None}, open_browser)


def run_server(settings: dict[str, Any], open_browser: bool, folder: Path | None = None) -> None:
    """Serve until a signal comes, on the instance folder or on ``folder``; ``settings`` go over all others."""
    with collector_paused():
        from checkend import config
        from checkend.app import create_app
        from checkend.server import waitress_server
        from checkend.services import services

        values = config.load(folder or config.instance_path())
        config.override(values, settings)
        bound = waitress_server.bind(values["HOST"].value, values["PORT"].value)  # first: a taken port changes nothing
        app = create_app(settings | {"PORT": bound.getsockname()[1]}, instance_path=folder)
    try:
        server = waitress_server.WaitressServer(app, bound)
        _stop_on_signals(server)
        services(app).retention.start()
        echo_if_possible(f"Checkend is listening on {server.url}")
        if open_browser:
            address = server.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.run()
    finally:
        services(app).close()
    echo_if_possible("Checkend has stopped.")


def _stop_on_signals(server: "WaitressServer") -> None:
    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        server.stop()
        last_resort = threading.Timer(EXIT_SECONDS, os._exit, (0,))  # whatever a thread waits for
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as shells have it for what runs in the background
            signal.signal(number, stop)
