"""How a series of numbers becomes rows of dots: two samples and four levels a character, or plain ASCII."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille character: left and right column, top to bottom."""
BLANK: Final = 0x2800
STEPS: Final = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn."""

    series: Sequence[Sequence[float]]
    top: float
    """The value at the upper edge."""
    top_words: str


@dataclass(frozen=True)
class Plot:
    """The drawn rows, and which series each character belongs to (-1 for none)."""

    rows: tuple[str, ...]
    owners: tuple[tuple[int, ...], ...]


def window(count: int, slots: int) -> int:
    """The first sample to show of `count`; it jumps by a quarter so that most samples change one column only."""
    step = max(1, slots // 4)
    return 0 if count <= slots else -(-(count - slots) // step) * step


def ceiling(highest: float, base: float = 10.0) -> float:
    """The next round number: 1, 2, 5 times a power of ten, or a power of two for bytes."""
    if highest <= 0:
        return 1.0
    power = 1.0
    while power * base < highest:
        power *= base
    steps = STEPS if base == 10.0 else tuple(2.0**n for n in range(10))
    return next((power * step for step in steps if power * step >= highest), power * base)


def plot(series: Sequence[Sequence[float]], width: int, height: int, top: float, braille: bool) -> Plot:
    """Each series as a line from the left edge; a lone series is filled to the ground."""
    bits = [[0] * width for _ in range(height)]
    owners = [[-1] * width for _ in range(height)]
    columns, levels = (2, 4) if braille else (1, 1)
    for number, values in enumerate(series):
        for x, (low, high) in enumerate(_spans(values[: width * columns], height * levels, top, len(series) == 1)):
            for at in range(low, high + 1):
                row = height - 1 - at // levels
                bits[row][x // columns] |= DOTS[x % 2][3 - at % 4] if braille else 1
                owners[row][x // columns] = number
    return Plot(tuple(_text(row, braille) for row in bits), tuple(tuple(row) for row in owners))


def _spans(values: Sequence[float], levels: int, top: float, filled: bool) -> Iterator[tuple[int, int]]:
    """For each sample the dots from its neighbour's level (or from the ground) to its own."""
    before: int | None = None
    for value in values:
        level = round(max(0.0, min(1.0, value / top)) * (levels - 1))
        start = 0 if filled else level if before is None else before
        yield min(start, level), max(start, level)
        before = level


def _text(row: list[int], braille: bool) -> str:
    if braille:
        return "".join(chr(BLANK + bits) if bits else " " for bits in row)
    return "".join("#" if bits else " " for bits in row)
