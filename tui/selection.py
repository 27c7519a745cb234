"""Which rows are there, where is the cursor, what is marked, which part of it all is seen: a table's state, pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tui.cells import Key


@dataclass
class Selection:
    """The cursor and the marks stay with their keys, whatever happens to the order."""

    order: Sequence[Key] = ()
    at: int = 0
    """The cursor's row."""
    top: int = 0
    """The first row that is seen."""
    _marked: dict[Key, None] = field(default_factory=dict)
    _place_of: dict[Key, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def cursor(self) -> Key | None:
        """The key under the cursor."""
        return self.order[self.at] if self.order else None

    @property
    def marked(self) -> list[Key]:
        """The marked keys, in the order of the rows."""
        return sorted(self._marked, key=lambda key: self._place_of.get(key, 0))

    def is_marked(self, key: Key) -> bool:
        """Whether that row is marked."""
        return key in self._marked

    def place_of(self, key: Key) -> int | None:
        """The row of that key; None when it has none."""
        return self._place_of.get(key)

    def put(self, order: Sequence[Key], rows: int) -> None:
        """The rows are now these, so many are seen; a cursor whose key is gone stays where it was."""
        cursor = self.cursor
        self.order = order
        self._place_of = {key: index for index, key in enumerate(order)}
        last = max(0, len(order) - 1)
        self.at = self._place_of.get(cursor, min(self.at, last)) if cursor else 0
        if not self._place_of.keys() >= self._marked.keys():
            self._marked = {key: None for key in self._marked if key in self._place_of}
        self.keep_in_view(rows)

    def go(self, to: int, rows: int) -> None:
        """Put the cursor on that row, or on the nearest that there is."""
        self.at = max(0, min(to, len(self.order) - 1))
        self.keep_in_view(rows)

    def keep_in_view(self, rows: int) -> None:
        """Move what is seen no further than the cursor needs; no room is left empty below."""
        highest = max(0, len(self.order) - rows)
        self.top = max(0, min(self.top, highest))
        if self.at < self.top:
            self.top = self.at
        elif self.at >= self.top + rows:
            self.top = self.at - rows + 1

    def toggle(self, key: Key) -> None:
        """Mark it, or take its mark off."""
        if key in self._marked:
            del self._marked[key]
        else:
            self._marked[key] = None

    def mark(self, keys: Iterable[Key]) -> None:
        """Mark all of these."""
        self._marked |= dict.fromkeys(keys)

    def mark_range(self) -> None:
        """Mark every row from the one that was marked last to the one under the cursor."""
        last = next(reversed(self._marked), self.cursor)
        if last is not None:
            first, end = sorted((self._place_of[last], self.at))
            self.mark(self.order[first : end + 1])

    def unmark(self) -> None:
        """Take every mark off."""
        self._marked.clear()
