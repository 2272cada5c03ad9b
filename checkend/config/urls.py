"""URLs of the server, from the host and the port that it listens on."""

# Clients cannot connect to the addresses that mean all interfaces.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def http_url(host: str, port: int) -> str:
    """Return ``http://host:port``, with brackets around an IPv6 address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_url(host: str, port: int) -> str:
    """Return the URL at which clients on this machine reach a server that listens on ``host``."""
    return http_url(_LOOPBACK.get(host, host), port)
