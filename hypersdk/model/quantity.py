"""Kubernetes quantities and the durations of the document, as numbers and back."""

import re
from fractions import Fraction
from typing import Final

MEMORY_PATTERN: Final = r"^[0-9]+[KMGT]i$"
POSITIVE_MEMORY_PATTERN: Final = r"^0*[1-9][0-9]*[KMGT]i$"
DURATION_PATTERN: Final = r"^[0-9]+(s|m|h)$"
MAC_PATTERN: Final = r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"
BANDWIDTH_PATTERN: Final = r"^[0-9]+[KMG]?bps$"

_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E|)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def to_bytes(quantity: str) -> int:
    """Bytes of `8Gi`, `512Mi`, `1500M`; ValueError for anything else (resource.Quantity, without exponents)."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity such as 512Mi or 8Gi")
    number, unit = match.groups()
    return int(Fraction(number) * (_BINARY.get(unit) or _DECIMAL[unit]))


def from_bytes(count: int) -> str:
    """The shortest exact binary quantity: 8589934592 is `8Gi`, 1536 MiB is `1536Mi`."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if count and count % _BINARY[unit] == 0:
            return f"{count // _BINARY[unit]}{unit}"
    return str(count)


def human_bytes(count: float) -> str:
    """For reading, three significant places at most: `6.2Gi`, `512Mi`, `0`."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if count >= _BINARY[unit]:
            value = count / _BINARY[unit]
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{count:.0f}"


def to_seconds(duration: str) -> int:
    """Seconds of `30s`, `10m`, `2h`; ValueError for anything else."""
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration such as 30s, 10m or 2h")
    return int(duration[:-1]) * _SECONDS[duration[-1]]
