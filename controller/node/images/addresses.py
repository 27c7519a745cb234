"""Which addresses may an image be fetched from? Asked of the very address that a connection is made to."""

import errno
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE = "private"
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
_NEVER_BY_DEFAULT = (
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/128", "::1/128", "fe80::/10", "ff00::/8"),
    # Metadata services of clouds that are not link-local: AWS over IPv6, Alibaba, Oracle.
    *("fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32"),
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(PermissionError):
    """The address is not one that images may come from."""

    WORDS = "images may not be fetched from"

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, f"{self.WORDS} {address}")


def networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Networks from what is written on the command line; ValueError for what is none."""
    return tuple(ipaddress.ip_network(each) for word in words for each in (_PRIVATE if word == PRIVATE else (word,)))


@dataclass(frozen=True)
class AddressRules:
    """What is allowed goes before what is forbidden; private addresses are allowed until they are forbidden."""

    allowed: tuple[Network, ...] = ()
    forbidden: tuple[Network, ...] = ()

    def permits(self, word: str) -> bool:
        """Whether images may come from the address."""
        address = _plain(word)
        if _is_in(address, self.allowed):
            return True
        return not _is_in(address, self.forbidden) and not _is_in(address, _DEFAULT)

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for the address that is about to be connected to: a name cannot mean another one any more."""
        family, kind, protocol, _, address = info
        host = str(address[0])
        if not self.permits(host):
            raise AddressRefused(host)
        return socket.socket(family, kind, protocol)


_DEFAULT = networks(_NEVER_BY_DEFAULT)


def _is_in(address: Address, these: tuple[Network, ...]) -> bool:
    return any(address in each for each in these)


def _plain(word: str) -> Address:
    """The address, and where it wraps one of IPv4, that one."""
    address = ipaddress.ip_address(word.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
