"""Which subnet is free for the host's own network? The first candidate that no route of the host touches."""

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

CANDIDATES = tuple(IPv4Network(f"192.168.{third}.0/24") for third in range(122, 132)) + tuple(
    IPv4Network(f"10.{second}.0.0/24") for second in range(213, 218)
)
_ROUTES = Path("/proc/net/route")


def free_subnets(routes: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """The candidates that clash with none of the routes, the likeliest first."""
    taken = list(routes)
    return (subnet for subnet in CANDIDATES if not any(subnet.overlaps(route) for route in taken))


def host_routes(file: Path = _ROUTES) -> list[IPv4Network]:
    """What the host has routes to, which includes the networks of its addresses."""
    return read_routes(file.read_text())


def read_routes(text: str) -> list[IPv4Network]:
    """The destinations in the text of /proc/net/route, without the default route."""
    rows = (line.split() for line in text.splitlines()[1:])
    routes = (_network(row[1], row[7]) for row in rows if len(row) > 7)
    return [route for route in routes if route.prefixlen]


def _network(destination: str, mask: str) -> IPv4Network:
    return IPv4Network(f"{_dotted(destination)}/{_dotted(mask)}", strict=False)


def _dotted(word: str) -> str:
    return socket.inet_ntoa(struct.pack("=I", int(word, 16)))
