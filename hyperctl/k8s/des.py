"""How does VNC hide a password? By DES, which is broken, and which every viewer knows (FIPS 46-3, RFC 6143 §7.2.2).

Only for a challenge on a connection within this host, whose password is made up for it and forgotten with it. The base
installation has no other DES: the libraries that have one are compiled, and are giving it up.
"""

from collections.abc import Iterable, Sequence
from typing import Final

STORED: Final = bytes((23, 82, 107, 6, 35, 78, 88, 7))
"""The key by which viewers keep a password in a file: everybody knows it, so the file's mode is what protects it."""

_INITIAL = [at for first in (57, 59, 61, 63, 56, 58, 60, 62) for at in range(first, -1, -8)]
_FINAL = [_INITIAL.index(at) for at in range(64)]
_EXPANSION = [(4 * group + at) % 32 for group in range(8) for at in range(-1, 5)]
_PERMUTATION = (
    *(15, 6, 19, 20, 28, 11, 27, 16, 0, 14, 22, 25, 4, 17, 30, 9),
    *(1, 7, 23, 13, 31, 26, 2, 8, 18, 12, 29, 5, 21, 10, 3, 24),
)
_KEY_HALVES = (
    *(56, 48, 40, 32, 24, 16, 8, 0, 57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35),
    *(62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 60, 52, 44, 36, 28, 20, 12, 4, 27, 19, 11, 3),
)
_KEY_CHOICE = (
    *(13, 16, 10, 23, 0, 4, 2, 27, 14, 5, 20, 9, 22, 18, 11, 3, 25, 7, 15, 6, 26, 19, 12, 1),
    *(40, 51, 30, 36, 46, 54, 29, 39, 50, 44, 32, 47, 43, 48, 38, 55, 33, 52, 45, 41, 49, 35, 28, 31),
)
_TURNS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_BOXES = (
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)
"""Each of four rows by the outer bits, and sixteen columns by the inner ones."""

Bits = list[int]


def hidden(password: str, challenge: bytes) -> bytes:
    """What a viewer that knows the password answers to a challenge: eight characters of it count."""
    return encrypted(password.encode()[:8].ljust(8, b"\0"), challenge)


def encrypted(key: bytes, data: bytes) -> bytes:
    """The data, in blocks of eight bytes, by VNC's reading of the key: each of its bytes the other way round."""
    keys = _round_keys([bit for byte in key for bit in reversed(_bits(byte, 8))])
    return b"".join(_block(keys, data[at : at + 8]) for at in range(0, len(data), 8))


def _round_keys(key: Bits) -> list[Bits]:
    halves = _chosen(key, _KEY_HALVES)
    left, right = halves[:28], halves[28:]
    keys = []
    for turn in _TURNS:
        left, right = left[turn:] + left[:turn], right[turn:] + right[:turn]
        keys.append(_chosen(left + right, _KEY_CHOICE))
    return keys


def _block(keys: Iterable[Bits], data: bytes) -> bytes:
    bits = _chosen([bit for byte in data for bit in _bits(byte, 8)], _INITIAL)
    left, right = bits[:32], bits[32:]
    for key in keys:
        left, right = right, [one ^ other for one, other in zip(left, _mixed(right, key), strict=True)]
    done = _chosen(right + left, _FINAL)
    return bytes(int("".join(map(str, done[at : at + 8])), 2) for at in range(0, 64, 8))


def _mixed(half: Bits, key: Bits) -> Bits:
    wide = [one ^ other for one, other in zip(_chosen(half, _EXPANSION), key, strict=True)]
    found: Bits = []
    for at, box in enumerate(_BOXES):
        first, *column, last = wide[6 * at : 6 * at + 6]
        found += _bits(int(box[32 * first + 16 * last + int("".join(map(str, column)), 2)], 16), 4)
    return _chosen(found, _PERMUTATION)


def _chosen(bits: Bits, order: Sequence[int]) -> Bits:
    return [bits[at] for at in order]


def _bits(number: int, count: int) -> Bits:
    return [number >> at & 1 for at in reversed(range(count))]
