"""Select Graphic Rendition (ECMA-48 8.3.117, with the 256 and direct colours of ISO 8613-6) on a style."""

from dataclasses import replace
from typing import Final

from tui.terminal.emulator import PLAIN, CellStyle, Colour

_FLAGS: Final[dict[int, dict[str, bool]]] = {
    1: {"bold": True},
    3: {"italic": True},
    4: {"underline": True},
    5: {"blink": True},
    6: {"blink": True},
    7: {"reverse": True},
    9: {"strike": True},
    21: {"underline": True},
    22: {"bold": False},
    23: {"italic": False},
    24: {"underline": False},
    25: {"blink": False},
    27: {"reverse": False},
    29: {"strike": False},
}


def apply(style: CellStyle, parameters: list[list[int]]) -> CellStyle:
    """The style after one SGR sequence; what is not understood is left out."""
    queue = list(parameters) or [[0]]
    while queue:
        first = queue.pop(0)
        code = first[0]
        if code in {38, 48}:
            colour, understood = _extended(first, queue)
            if understood:
                style = replace(style, fg=colour) if code == 38 else replace(style, bg=colour)
        elif code == 4 and len(first) > 1:
            style = replace(style, underline=first[1] != 0)
        else:
            style = _simple(style, code)
    return style


def _simple(style: CellStyle, code: int) -> CellStyle:
    if code == 0:
        return PLAIN
    if code in _FLAGS:
        return replace(style, **_FLAGS[code])
    for base, first in ((30, 0), (90, 8)):
        if base <= code < base + 8:
            return replace(style, fg=code - base + first)
        if base + 10 <= code < base + 18:
            return replace(style, bg=code - base - 10 + first)
    if code == 39:
        return replace(style, fg=None)
    return replace(style, bg=None) if code == 49 else style


def _extended(first: list[int], rest: list[list[int]]) -> tuple[Colour, bool]:
    """The colour of `38;5;n`, `38;2;r;g;b` or their colon forms; takes what it uses from `rest`."""
    if len(first) > 1:
        numbers = first[1:]
        if numbers[0] == 2 and len(numbers) >= 5:
            numbers = [2, *numbers[2:5]]  # the form with a colour space
    else:
        kind = rest.pop(0)[0] if rest else 0
        count = {5: 1, 2: 3}.get(kind, 0)
        numbers = [kind, *(one[0] for one in rest[:count])]
        del rest[:count]
    match numbers:
        case [5, index, *_] if index < 256:
            return index, True
        case [2, red, green, blue, *_] if max(red, green, blue) < 256:
            return f"#{red:02x}{green:02x}{blue:02x}", True
    return None, False
