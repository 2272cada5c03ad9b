"""The process in which Apprise delivers one notification: ``python -m checkend.notifications.apprise_process``.

It reads a JSON object from standard input and writes one to standard output: ``error``, "" for success and without
secrets; ``status``, the HTTP status if the error states one; ``rejected``, whether the destination is not permitted.

An audit hook, which code cannot remove, sees every connection, every file that is opened and every program that is
started. Only addresses are connected to that the policy permits for the name they were resolved from. Unlike a list of
places to patch, this holds for whatever HTTP client a plugin brings.
"""

import json
import logging
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

from checkend.notifications.outbound_policy import OutboundPolicy

MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 20
_STATUS = re.compile(r"\berror=([1-5]\d\d)\b")
_READABLE = ("/etc/ssl/", "/etc/pki/", "/usr/", "/lib/", "/dev/", "/proc/self/", "/etc/mime.types", "/etc/localtime")
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.sendto")
_SECRET = re.compile(r"[A-Za-z0-9_%+=.-]{4,}")


class Guard:
    """The rules for the process. ``rejection`` is why a connection was not permitted, "" if all were."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._permitted: set[str] = set()
        self._resolve = socket.getaddrinfo
        self._readable = (*_READABLE, f"{sys.prefix}/", f"{sys.base_prefix}/", f"{os.getcwd()}/", *_import_folders())
        self.rejection = ""

    def install(self) -> None:
        """Apply the rules from here on."""
        socket.getaddrinfo = self._look_up
        sys.addaudithook(self._check)

    def _look_up(self, host: Any, *args: Any, **options: Any) -> Any:
        """Resolve a name, and permit its addresses if all of them are permitted, as for other outgoing requests."""
        found = self._resolve(host, *args, **options)
        name = (host.decode() if isinstance(host, bytes) else str(host)).lower().rstrip(".").partition("%")[0]
        addresses = [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]
        for address in addresses:
            self._require(self._policy.rejection(name, ip_address(address)))
        self._permitted.update(addresses)
        return found

    def _check(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            self._check_connection(args[1])
        elif event == "open" and isinstance(args[0], str | bytes):
            self._check_file(os.fsdecode(args[0]))
        elif event in _FORBIDDEN:
            raise PermissionError(f"{event} is not permitted")

    def _check_connection(self, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if not isinstance(host, str):
            self._require("A connection that is neither IPv4 nor IPv6 is not permitted.")
        elif (literal := host.partition("%")[0]) not in self._permitted:
            try:
                rejection = self._policy.rejection(literal, ip_address(literal))
            except ValueError:  # a name that was not resolved above
                rejection = "A connection to a name that was not resolved before is not permitted."
            self._require(rejection)

    def _check_file(self, path: str) -> None:
        full = os.path.abspath(path)
        if not f"{full}/".startswith(self._readable):
            raise PermissionError(f"{full} is not permitted")

    def _require(self, rejection: str | None) -> None:
        if rejection:
            self.rejection = rejection
            raise PermissionError(rejection)


def _import_folders() -> tuple[str, ...]:
    return tuple(f"{os.path.abspath(folder)}/" for folder in sys.path if folder)


def main() -> None:
    """Deliver the notification on standard input."""
    request = json.load(sys.stdin)
    _limit(int(request["seconds"]))
    networks = tuple(ip_network(network) for network in request["allowed_networks"])
    guard = Guard(OutboundPolicy(request["allow_private"], frozenset(request["allowed_hosts"]), networks))
    guard.install()
    error = _notify(request)
    status = _STATUS.search(error)
    if error and guard.rejection:
        error = f"The request was rejected: {guard.rejection}"
    elif error:
        error = f"Apprise could not deliver the notification: {_redact(error, request['url'])}"
    result = {"error": error, "status": int(status[1]) if status else None, "rejected": bool(error and guard.rejection)}
    sys.stdout.write(json.dumps(result))


def _limit(seconds: int) -> None:
    """Limit the process, and end it by itself when its parent cannot."""
    for kind, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    signal.alarm(seconds)


def _notify(request: dict[str, Any]) -> str:
    """Return the last error that Apprise logged, "" for success."""
    import apprise

    messages: list[str] = []
    log = logging.getLogger("apprise")
    log.handlers[:] = [_Collector(messages.append)]
    log.setLevel(logging.WARNING)
    asset = apprise.AppriseAsset(secure_logging=True, plugin_paths=[], storage_path=None, async_mode=False)
    client = apprise.Apprise(asset=asset)
    if not client.add(request["url"]):
        return "the URL is not valid, error=400"
    delivered = client.notify(title=request["title"], body=request["body"], body_format=apprise.NotifyFormat.TEXT)
    return "" if delivered else (messages or ["no reason was given"])[-1]


class _Collector(logging.Handler):
    def __init__(self, add: Callable[[str], None]) -> None:
        super().__init__()
        self._add = add

    def emit(self, record: logging.LogRecord) -> None:
        self._add(record.getMessage())


def _redact(text: str, url: str) -> str:
    """Return one line of at most 300 characters without parts of the URL."""
    for part in sorted(set(_SECRET.findall(url.partition("://")[2])), key=len, reverse=True):
        text = text.replace(part, "…")
    return " ".join(text.split())[:300]


if __name__ == "__main__":
    main()
