"""Which emulator shows a guest's console? libghostty-vt where its wheel exists, pyte everywhere else."""

from collections.abc import Callable, Mapping
from typing import Final

from tui.terminal.emulator import Emulator


def _ghostty(columns: int, rows: int) -> Emulator | None:
    from tui.terminal.ghostty import ghostty
    from tui.terminal.ghostty_emulator import GhosttyEmulator

    native = ghostty()
    return GhosttyEmulator(native, columns, rows) if native is not None else None


def _pyte(columns: int, rows: int) -> Emulator:
    from tui.terminal.pyte_emulator import PyteEmulator

    return PyteEmulator(columns, rows)


BACK_ENDS: Final[Mapping[str, Callable[[int, int], Emulator | None]]] = {"ghostty": _ghostty, "pyte": _pyte}
"""By name, the better one first; None where it is not to be had."""
SHOWN: Final[Mapping[str, str]] = {"ghostty": "libghostty-vt", "pyte": "pyte"}
"""What the help screen calls them."""


def chosen(asked: str = "") -> str:
    """The back end that was asked for where it is to be had, else the first that is."""
    from tui.terminal.ghostty import ghostty

    return "pyte" if asked == "pyte" or ghostty() is None else "ghostty"


def new_emulator(columns: int = 80, rows: int = 24, asked: str = "") -> Emulator:
    """An emulator of the chosen back end."""
    made = BACK_ENDS[chosen(asked)](columns, rows)
    assert made is not None
    return made
