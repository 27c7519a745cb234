"""The port to a terminal emulator: bytes of a guest in, rows of styled text out; nothing raw ever passes through."""

from dataclasses import dataclass
from typing import Protocol

Colour = int | str | None
"""None for the default, 0-255 for the palette, `#rrggbb` for a direct colour."""


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a run of cells looks."""

    fg: Colour = None
    bg: Colour = None
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False
    blink: bool = False


PLAIN = CellStyle()
Run = tuple[str, CellStyle]


class Emulator(Protocol):
    """A terminal with history. No method raises, whatever the guest sends."""

    @property
    def columns(self) -> int:
        """Cells in a row."""
        ...

    @property
    def rows(self) -> int:
        """Rows of the view."""
        ...

    @property
    def budget(self) -> int:
        """Bytes that may be given at once without keeping the keyboard waiting."""
        ...

    def feed(self, data: bytes) -> None:
        """Take in guest output; sequences and characters may be cut anywhere."""
        ...

    def take_dirty(self) -> set[int]:
        """The rows of the view that changed since the last call."""
        ...

    def row(self, y: int) -> list[Run]:
        """One row of the view, exactly `columns` cells wide, without control characters."""
        ...

    @property
    def cursor(self) -> tuple[int, int] | None:
        """(x, y) in the view; None when the guest hid it or it is scrolled away."""
        ...

    def take_replies(self) -> bytes:
        """What a terminal answers to the guest's queries since the last call."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; what no longer fits is cut or goes to the history."""
        ...

    def scroll(self, lines: int) -> None:
        """Move the view: negative towards older output, positive back; bounded at both ends."""
        ...

    @property
    def scrolled(self) -> int:
        """How many lines the view is above the newest output."""
        ...

    @property
    def history(self) -> int:
        """How many lines are kept above the screen."""
        ...

    def text(self) -> list[str]:
        """Everything kept, oldest first: history, then the screen, without trailing blanks."""
        ...

    def reset(self) -> None:
        """Back to the state of a new terminal (RIS); the history stays."""
        ...

    @property
    def application_cursor(self) -> bool:
        """DECCKM: arrow keys are sent as SS3."""
        ...

    @property
    def bracketed_paste(self) -> bool:
        """The guest wants pasted text between CSI 200~ and 201~."""
        ...
