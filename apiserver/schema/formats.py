"""Does a string have the format that its schema names? Formats that nobody knows are not checked (as in Kubernetes)."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import urlsplit

_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DURATION = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)([0-9.]+(ns|us|µs|ms|s|m|h))*|\d+ ?[a-z]+|0", re.ASCII
)
_HOST = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def matches_format(name: str, value: str) -> bool:
    """Whether the string is of that format."""
    check = _CHECKS.get(name)
    return check is None or check(value)


def is_date_time(value: str) -> bool:
    """RFC 3339."""
    if _DATE_TIME.fullmatch(value) is None:
        return False
    return _parses(lambda: datetime.fromisoformat(f"{value[:10]}T{value[11:19]}"))


@lru_cache(maxsize=1024)
def go_pattern(pattern: str) -> re.Pattern[str] | None:
    """A Go regular expression; None when it cannot be said in Python's. `$` means the very end."""
    out: list[str] = []
    in_class = False
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            pair = pattern[position : position + 2]
            out.append(r"\Z" if pair == r"\z" else pair)
            position += 2
            continue
        in_class = (in_class or char == "[") and char != "]"
        out.append(r"\Z" if char == "$" and not in_class else char)
        position += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error:
        return None


def _parses(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (ValueError, binascii.Error):
        return False
    return True


def _is_uri(value: str) -> bool:
    return _parses(lambda: urlsplit(value)) and ":" in value and bool(urlsplit(value).scheme or value.startswith("/"))


_CHECKS: dict[str, Callable[[str], bool]] = {
    "date-time": is_date_time,
    "datetime": is_date_time,
    "date": lambda value: len(value) == 10 and _parses(lambda: date.fromisoformat(value)),
    "byte": lambda value: _parses(lambda: base64.b64decode(value, validate=True)),
    "ipv4": lambda value: _parses(lambda: ipaddress.IPv4Address(value)),
    "ipv6": lambda value: _parses(lambda: ipaddress.IPv6Address(value)),
    "cidr": lambda value: "/" in value and _parses(lambda: ipaddress.ip_network(value, strict=False)),
    "duration": lambda value: _DURATION.fullmatch(value) is not None,
    "hostname": lambda value: len(value) <= 255 and _HOST.fullmatch(value) is not None,
    "mac": lambda value: _MAC.fullmatch(value) is not None,
    "uuid": lambda value: _UUID.fullmatch(value) is not None,
    "email": lambda value: _EMAIL.fullmatch(value) is not None,
    "uri": _is_uri,
}
