"""How large is a Kubernetes quantity? Exactly, as resource.Quantity reads it."""

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE]|)|[eE]([+-]?[0-9]+))")
_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_POWERS = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_WORDS = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_LARGEST_EXPONENT = 99


def parse(text: str) -> Fraction:
    """The number; ValueError for what is no quantity. What as_text wrote is read, too."""
    if "/" in text:
        return Fraction(text)
    match = _QUANTITY.fullmatch(text)
    if match is None or len(match[3] or "") > 3 or abs(int(match[3] or 0)) > _LARGEST_EXPONENT:
        raise ValueError(_WORDS)
    number, unit, exponent = match.groups()
    scale: Fraction = Fraction(1024) ** _POWERS[unit] if unit in _POWERS else _ten_to(exponent, unit)
    return Fraction(number) * scale


def _ten_to(exponent: str | None, unit: str | None) -> Fraction:
    power: Fraction = Fraction(10) ** (int(exponent) if exponent else _EXPONENTS[unit or ""])
    return power


def as_text(number: Fraction) -> str:
    """One text for each number."""
    return f"{number.numerator}/{number.denominator}"


def compare(one: str, other: str) -> int:
    """-1, 0 or 1."""
    first, second = parse(one), parse(other)
    return (first > second) - (first < second)
