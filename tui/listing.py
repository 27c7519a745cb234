"""What one kind of rows is: its columns, what stands in them, how it sorts, filters and is kept up to date."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from hypersdk.kube.cache import Cache
from tui.cells import Cells, Column, Key, SortKey
from tui.changes import Changes
from tui.glyphs import Glyphs

if TYPE_CHECKING:
    from hypersdk.model.base import Resource
    from tui.feed import Feed

R = TypeVar("R", bound="Resource")


@dataclass(frozen=True)
class Sight:
    """What beside the object goes into its row."""

    feed: "Feed"
    now: datetime
    glyphs: Glyphs
    all_namespaces: bool
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Listing(Generic[R]):
    """One kind of rows."""

    word: str
    """What the rows are called: `VMs`."""
    columns: Callable[[bool, Sequence[str]], tuple[Column, ...]]
    """The columns: whether the rows are of all namespaces, and which ones a person chose."""
    cells: Callable[[R, Sight], Cells]
    sorts: Mapping[str, Callable[[R], SortKey]]
    """By the ids of columns; a row's name breaks ties."""
    wanted: Callable[[str], Callable[[R], bool]]
    """A test for rows from what was typed into the filter."""
    cache: Callable[["Feed"], Cache[R]]
    moved: Callable[[Changes], frozenset[Key]]
    sort: str = "name"
    descending: bool = False
    says: Callable[[R], str] = lambda item: ""
    """What a row has to say, whole: its column may be cut or have no room at all."""

    def counted(self, count: int) -> str:
        """So many of them: `1 VM`, `2 VMs`."""
        return f"{count} {self.word if count != 1 else self.one}"

    @property
    def one(self) -> str:
        """What one of them is called."""
        return self.word.removesuffix("s")


def latest_first(moment: datetime | None) -> float:
    """How rows are put in order by age: the newest before the others, and last what has no date."""
    return -moment.timestamp() if moment else 0.0
