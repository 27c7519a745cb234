"""What a piece of text means, apart from its words; the theme says how that looks."""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """The few meanings that the screen tells apart; none of them is told by colour alone."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    ACCENT = "accent"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Span:
    """Words with their tone."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of spans; bare words are plain."""
    return tuple(Span(part) if isinstance(part, str) else part for part in parts)
