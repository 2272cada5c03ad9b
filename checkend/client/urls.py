"""URLs of servers on this machine."""

WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def local_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that listens on ``host`` and ``port``.

    A server that listens on all addresses is reached at the loopback address.
    """
    host = WILDCARD_HOSTS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
