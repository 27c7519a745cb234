"""Which characters a terminal can show: the Unicode set, or ASCII for the Linux console and old locales."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypersdk.model.phase import Phase


@dataclass(frozen=True)
class Glyphs:
    """One set of signs."""

    phases: Mapping[Phase, str]
    cursor: str
    mark: str
    up: str
    down: str
    ellipsis: str
    busy: str
    well: str
    failed: str
    braille: bool
    """Whether charts may use braille."""


UNICODE: Final = Glyphs(
    phases={
        Phase.PENDING: "◌",
        Phase.CREATING: "◐",
        Phase.RUNNING: "●",
        Phase.STOPPED: "○",
        Phase.MIGRATING: "⇄",
        Phase.PAUSED: "‖",
        Phase.FAILED: "✗",
        Phase.UNKNOWN: "?",
    },
    cursor="▶",
    mark="◆",
    up="↑",
    down="↓",
    ellipsis="…",
    busy="↻",
    well="✓",
    failed="✗",
    braille=True,
)
ASCII: Final = Glyphs(
    phases={
        Phase.PENDING: ".",
        Phase.CREATING: "~",
        Phase.RUNNING: "+",
        Phase.STOPPED: "-",
        Phase.MIGRATING: ">",
        Phase.PAUSED: "=",
        Phase.FAILED: "!",
        Phase.UNKNOWN: "?",
    },
    cursor=">",
    mark="*",
    up="^",
    down="v",
    ellipsis="~",
    busy="%",
    well="+",
    failed="!",
    braille=False,
)


def glyphs(unicode: bool) -> Glyphs:
    """The set for a terminal that shows Unicode, or that does not."""
    return UNICODE if unicode else ASCII
