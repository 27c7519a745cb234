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


def new_emulator(columns: int = 80, rows: int = 24, asked: str = "") -> Emulator:
    """The emulator that was asked for where it is to be had, else the first that is."""
    names = [asked, *BACK_ENDS] if asked in BACK_ENDS else list(BACK_ENDS)
    made = (BACK_ENDS[name](columns, rows) for name in names)
    return next(one for one in made if one is not None)
