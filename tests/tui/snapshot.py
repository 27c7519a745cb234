"""A screen kept as text: its characters, and which style each of them has; a picture is drawn from it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual._compositor import LayoutUpdate

from tui.app import HypersdkApp

FOLDER: Final = Path(__file__).with_name("snapshots")
THEMES: Final = ("dark", "ansi")
SIZES: Final = ((80, 24), (120, 40))
_ATTRIBUTES: Final = ("bold", "dim", "italic", "underline", "reverse", "strike")
_NAMES: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture of ours asks no other server for anything."""
Row = tuple[tuple[str, str], ...]
"""Pieces of a line with their styles."""


def path_of(theme: str, size: tuple[int, int], name: str) -> Path:
    """Where a snapshot is kept."""
    return FOLDER / f"{theme}-{size[0]}x{size[1]}" / f"{name}.txt"


@dataclass(frozen=True)
class Snapshot:
    """One screen."""

    width: int
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, app: HypersdkApp) -> Self:
        """What the app shows now, with what is below a dialog."""
        update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
        assert isinstance(update, LayoutUpdate)
        lines = ([one for strip in strips for one in strip] for strips in update.strips)
        return cls(app.size.width, tuple(_row((one.text, _words(one.style)) for one in line) for line in lines))

    @classmethod
    def loads(cls, kept: str) -> Self:
        """The snapshot from its text."""
        head, text, styles = kept.split("\n---\n")
        width, *legend = head.split("\n")
        style_of = dict(line.split(" ", 1) for line in legend)
        pairs = zip(text.split("\n"), styles.removesuffix("\n").split("\n"), strict=True)
        return cls(int(width), tuple(_row(_pieces(line, runs, style_of)) for line, runs in pairs))

    def dumps(self) -> str:
        """The snapshot as text: the styles by their letters, the characters, and the runs of styles line by line."""
        used = dict.fromkeys(style for row in self.rows for _, style in row)
        letter = dict(zip(used, _NAMES, strict=False))
        legend = [f"{name} {style}" for style, name in letter.items()]
        runs = (" ".join(f"{letter[style]}{len(text)}" for text, style in row) for row in self.rows)
        return "\n---\n".join(["\n".join([str(self.width), *legend]), self.text, "\n".join(runs)]) + "\n"

    @property
    def text(self) -> str:
        """The characters alone."""
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self.rows)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, by what is in them; a ragged screen has none."""
        widths = {cell_len("".join(text for text, _ in row)) for row in self.rows}
        return (self.width if widths == {self.width} else -1, len(self.rows))

    def svg(self, name: str) -> str:
        """The picture; `name` keeps its classes apart from those of others on one page."""
        size = {"width": self.width, "height": len(self.rows)}
        console = Console(**size, file=StringIO(), force_terminal=True, color_system="truecolor", record=True)  # type: ignore[arg-type]
        for row in self.rows:
            line = Text.assemble(*row, no_wrap=True, overflow="ignore")
            console.print(line, soft_wrap=True, highlight=False)
        made = console.export_svg(title="hypersdk", unique_id=f"hypersdk-{name}")
        made = made.replace("<svg ", '<svg xml:space="preserve" ', 1)  # some viewers drop spaces at the edge of a text
        return _FONTS.sub("", made).replace("Fira Code", "monospace")


def _row(pieces: Iterable[tuple[str, str]]) -> Row:
    """Neighbours of one style as one piece."""
    made = groupby((piece for piece in pieces if piece[0]), key=lambda piece: piece[1])
    return tuple(("".join(text for text, _ in group), style) for style, group in made)


def _words(style: Style | None) -> str:
    """The style in the words that Rich reads; what is not drawn, such as what a click does, is left out."""
    if style is None:
        return "none"
    words = [name for name in _ATTRIBUTES if getattr(style, name)]
    words += [style.color.name] if style.color else []
    words += ["on", style.bgcolor.name] if style.bgcolor else []
    return " ".join(words) or "none"


def _pieces(line: str, runs: str, style_of: dict[str, str]) -> Iterator[tuple[str, str]]:
    at = 0
    for run in runs.split():
        length = int(run[1:])
        yield line[at : at + length].ljust(length), style_of[run[0]]
        at += length
