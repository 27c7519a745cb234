"""Where do the words stand that somebody looks for? The next line that has them, up or down, around the ends."""

from collections.abc import Sequence
from typing import Final

from textual.message import Message
from textual.widget import Widget

OLDER: Final = -1
NEWER: Final = 1


class SearchAsked(Message):
    """Somebody wants to look for words in a widget."""

    def __init__(self, widget: "Searchable") -> None:
        super().__init__()
        self.widget = widget


class Searchable(Widget):
    """A widget whose text can be searched."""

    def search(self, needle: str) -> bool:
        """Show the nearest line with these words; whether there is one."""
        raise NotImplementedError


def find(lines: Sequence[str], needle: str, start: int, step: int) -> int | None:
    """The first line that has the words, capitals or not, from `start` on in that direction; None when none has."""
    wanted, count = needle.lower(), len(lines)
    places = ((start + step * distance) % count for distance in range(count))
    return next((at for at in places if wanted in lines[at].lower()), None) if wanted and count else None
