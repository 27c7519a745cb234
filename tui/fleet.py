"""The rows of a list: which objects, in which order, kept right by touching only what changed."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from tui.cells import Key, SortKey
from tui.columns import natural

if TYPE_CHECKING:
    from hypersdk.model.base import Resource

R = TypeVar("R", bound="Resource")
Ranked = tuple[SortKey, SortKey, Key]


@dataclass
class Fleet(Generic[R]):
    """A filtered, sorted view of objects that are kept elsewhere."""

    look_up: Callable[[Key], R | None]
    sorts: Mapping[str, Callable[[R], SortKey]]
    wanted: Callable[[str], Callable[[R], bool]]
    sort: str = "name"
    descending: bool = False

    def __post_init__(self) -> None:
        self._is_wanted = self.wanted("")
        self._ranked: list[Ranked] = []
        self._rank_of: dict[Key, Ranked] = {}

    def __len__(self) -> int:
        return len(self._ranked)

    @property
    def order(self) -> list[Key]:
        """The keys, first row first."""
        keys = [key for _, _, key in self._ranked]
        return keys[::-1] if self.descending else keys

    def filter_by(self, typed: str) -> None:
        """Another filter; call `rebuild` after it."""
        self._is_wanted = self.wanted(typed)

    def sort_by(self, column: str) -> None:
        """Another order, or the same one turned around; call `rebuild` after it."""
        self.descending = column == self.sort and not self.descending
        self.sort = column

    def rebuild(self, items: Iterable[R]) -> None:
        """Look at every object."""
        self._ranked = sorted(self._rank(one) for one in items if self._is_wanted(one))
        self._rank_of = {ranked[2]: ranked for ranked in self._ranked}

    def update(self, keys: Iterable[Key]) -> bool:
        """Look again at these; whether any row came, went or moved."""
        return sum(self._update(key) for key in keys) > 0

    def _update(self, key: Key) -> bool:
        item, old = self.look_up(key), self._rank_of.get(key)
        new = self._rank(item) if item is not None and self._is_wanted(item) else None
        if new == old:
            return False
        if old is not None:
            del self._ranked[bisect_left(self._ranked, old)]
            del self._rank_of[key]
        if new is not None:
            insort(self._ranked, new)
            self._rank_of[key] = new
        return True

    def _rank(self, item: R) -> Ranked:
        by_name = natural(item.metadata.name)
        return (self.sorts[self.sort](item), by_name, item.key)
