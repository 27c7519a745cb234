"""How few bytes a change costs: what the terminal shows is remembered, and only cells that differ are sent.

Textual sends whole rows of a widget and paints a screen anew whenever another one covered it. This leans on its
private update types, so a test in a pty holds the result to what a terminal really shows.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

RESET = "\x1b[0m"
Cell = tuple[str, str]
"""A character and the sequence of its style; the second half of a wide character is empty."""
PLAIN = (
    dict.fromkeys(range(0x2500, 0x2580), "+")
    | dict.fromkeys(range(0x2580, 0x25A0), "#")
    | {ord(char): "-" for char in "─━╌╍┄┅┈┉╴╶╸╺═▔▁"}
    | {ord(char): "|" for char in "│┃┆┇┊┋╎╏╵╷╹╻║▏▎▍▌▐▕"}
    | dict.fromkeys(range(0x2801, 0x2900), "*")
    | {ord("…"): ".", ord("🔎"): "/ ", 0x2800: " "}
)
"""What stands in ASCII for signs that only draw; letters are left alone. Corners and crossings become `+`."""
WORTH_JOINING = 6
"""Unchanged cells between two changes that cost less than moving the cursor over them."""


class Painter:
    """What one terminal shows, line by line."""

    def __init__(self, system: ColorSystem | None, *, unicode: bool = True) -> None:
        self._system = system
        self._unicode = unicode
        self._shown: dict[int, list[Cell]] = {}

    def forget(self) -> None:
        """The terminal may show anything: it was resized, or another program wrote to it."""
        self._shown.clear()

    def tight(self, update: object) -> "TightUpdate | None":
        """The same update, written shorter; None for updates of another sort."""
        match update:
            case LayoutUpdate():
                return TightUpdate(self, list(_rows(update)))
            case ChopsUpdate():
                return TightUpdate(self, list(_pieces(update)))
        return None

    def differs(self, x: int, y: int, segments: list[Segment]) -> bool:
        """Whether that piece is not what is shown."""
        made = self.cells(segments)
        return self._shown.get(y, [])[x : x + len(made)] != made

    def cells(self, segments: Iterable[Segment]) -> list[Cell]:
        """The segments cell by cell, as this terminal can show them."""
        return cells(segments, self._system, {} if self._unicode else PLAIN)

    def changes(self, x: int, y: int, cells: list[Cell]) -> Iterator[tuple[int, list[Cell]]]:
        """Runs of cells of that piece that differ from what is shown; they count as shown from now on."""
        line = self._shown.setdefault(y, [])
        line.extend([("", "?")] * (x + len(cells) - len(line)))
        before = line[x : x + len(cells)]
        line[x : x + len(cells)] = cells
        start = end = -1
        for at, (old, new) in enumerate(zip(before, cells, strict=True)):
            if old == new:
                continue
            if start >= 0 and at - end > WORTH_JOINING:
                yield x + start, cells[start:end]
                start = -1
            if start < 0:
                start = at - 1 if at and not new[0] else at
            end = at + 1
        if start >= 0:
            yield x + start, cells[start:end]


class TightUpdate(CompositorUpdate):
    """Pieces of lines, of which only the changed cells are written."""

    def __init__(self, painter: Painter, pieces: list[tuple[int, int, list[Segment]]]) -> None:
        self._painter = painter
        self._pieces = pieces
        self.size = 0
        """Bytes that were written for it; 0 before, and when nothing differed."""

    @property
    def is_needed(self) -> bool:
        """Whether anything differs from what is shown; Textual paints often to no effect."""
        return any(self._painter.differs(x, y, segments) for x, y, segments in self._pieces)

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        out: list[str] = []
        style = ""
        for x, y, segments in self._pieces:
            for at, run in self._painter.changes(x, y, self._painter.cells(segments)):
                out.append(f"\x1b[{y + 1};{at + 1}H")
                for text, sgr in run:
                    if sgr != style and text:
                        out.append(sgr)
                        style = sgr
                    out.append(text)
        written = "".join([*out, RESET]) if out else ""
        self.size = len(written.encode())
        return written


def cells(segments: Iterable[Segment], system: ColorSystem | None, instead: Mapping[int, str]) -> list[Cell]:
    """The segments cell by cell; `instead` of some characters others are shown, of the same width."""
    made: list[Cell] = []
    for text, style, control in segments:
        if control:
            continue
        sgr = _sgr(style, system)
        if text.isascii():
            made.extend((char, sgr) for char in text)
            continue
        for char in text.translate(instead):
            width = cell_len(char)
            if width:
                made.append((char, sgr))
                made.extend([("", sgr)] * (width - 1))
            elif made:
                made[-1] = (made[-1][0] + char, sgr)
    return made


def _rows(update: LayoutUpdate) -> Iterator[tuple[int, int, list[Segment]]]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield update.region.x, y, [segment for strip in strips for segment in strip]


def _pieces(update: ChopsUpdate) -> Iterator[tuple[int, int, list[Segment]]]:
    """The spans of the update, cut out of the strips that cover them: x, y, segments."""
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < x2 and end > x1:
                begin = max(x, x1)
                yield begin, y, list(strip.crop(begin - x, min(end, x2) - x))


@lru_cache(maxsize=4096)
def _sgr(style: Style | None, system: ColorSystem | None) -> str:
    """The sequence that makes this the style, whatever was before."""
    codes = "" if style is None or system is None else style._make_ansi_codes(system)
    return f"\x1b[0;{codes}m" if codes else RESET
