"""Which addresses outgoing requests may connect to."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not even CHECKEND_OUTBOUND_ALLOW permits these: no single host answers at them.
_NEVER = {
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "broadcast": ("255.255.255.255/32",),
}
# Metadata services come first: some of them have addresses in private or public networks. The ipaddress module's
# is_private and is_global are not used, as their meaning differs between versions of Python.
_FORBIDDEN = {
    "cloud metadata": (
        "169.254.169.254/32",
        "169.254.170.0/24",  # AWS containers
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google Cloud
        "fd00:42::42/128",  # Scaleway
    ),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "unspecified": ("0.0.0.0/8", "::/128"),
}
_PRIVATE = {"private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")}
_RESERVED = {
    "reserved": (
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        # Of IPv6, only 2000::/3 is in use. Its complement includes IPv4-compatible (::/96), IPv4-translated
        # (::ffff:0:0:0/96), local NAT64 (64:ff9b:1::/48) and site-local addresses (fec0::/10).
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
}
_CATEGORIES = [
    (category, tuple(map(ip_network, networks)))
    for table in (_NEVER, _FORBIDDEN, _PRIVATE, _RESERVED)
    for category, networks in table.items()
]
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Rules for the destinations of outgoing requests, from the settings ``OUTBOUND_PRIVATE`` and ``OUTBOUND_ALLOW``.

    Public addresses are always permitted, multicast and broadcast addresses never.
    """

    allow_private: bool = True
    allowed_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[Network, ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "OutboundPolicy":
        """Return the policy that the settings define."""
        hosts, networks = set(), []
        for entry in config["OUTBOUND_ALLOW"]:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                hosts.add(entry)
        return cls(config["OUTBOUND_PRIVATE"], frozenset(hosts), tuple(networks))

    def rejection(self, host: str, address: Address) -> str | None:
        """Return why connecting to ``address``, which ``host`` resolves to, is forbidden, or None if it is permitted.

        ``host`` is lower-case and has no trailing dot. The text states the category of the address and the settings
        that permit it.
        """
        address = _without_mapping(address)
        categories = {category_of(embedded) for embedded in _embedded(address)} - {None}
        if never := categories & _NEVER.keys():
            return f"{address} ({never.pop()}) is never permitted."
        if host in self.allowed_hosts or any(address in network for network in self.allowed_networks):
            return None
        if self.allow_private:
            categories -= _PRIVATE.keys()
        if not categories:
            return None
        permit = "set CHECKEND_OUTBOUND_PRIVATE to true, or " if categories == _PRIVATE.keys() else ""
        return (
            f"{address} ({', '.join(sorted(filter(None, categories)))}) is not permitted. "
            f"To permit it, {permit}add {address} or the host name to CHECKEND_OUTBOUND_ALLOW."
        )


def category_of(address: Address) -> str | None:
    """Return the category of an address, such as ``loopback``, or None if it is an ordinary public address."""
    for category, networks in _CATEGORIES:
        if any(address in network for network in networks):
            return category
    return None


def _without_mapping(address: Address) -> Address:
    """Return an IPv4-mapped address as IPv4, since a connection to either has the same destination; drop IPv6 zones."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _embedded(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses that a gateway (NAT64, 6to4, Teredo) forwards to, else the address itself.

    They are not compared with ``OUTBOUND_ALLOW``: the loopback address behind a gateway is not this machine.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour:
        return (address.sixtofour,)
    return address.teredo or (address,)
