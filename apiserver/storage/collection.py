"""What is known of one resource: its objects in order, and the window of its latest changes."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from apiserver.storage.stored import Change, Stored

Place = tuple[str, str]


class TooOld(Exception):
    """The version asked for is below the window."""

    def __init__(self, version: int, floor: int) -> None:
        super().__init__(f"too old resource version: {version} ({floor})")


@dataclass(frozen=True)
class Window:
    """How much of the past is kept."""

    changes: int = 10_000
    size: int = 32 * 2**20


@dataclass
class Collection:
    """The objects of one resource by (namespace, name); changes down to, but not including, version `floor`."""

    floor: int
    window: Window = Window()
    objects: dict[Place, Stored] = field(default_factory=dict)
    _order: list[Place] = field(default_factory=list)
    _changes: deque[Change] = field(default_factory=deque)
    _size: int = 0

    def load(self, found: list[Stored]) -> None:
        """Take what was on disk."""
        self.objects = {(one.key.namespace, one.key.name): one for one in found}
        self._order = sorted(self.objects)

    def take(self, change: Change) -> None:
        """Apply one change."""
        place = (change.key.namespace, change.key.name)
        if change.new is None:
            if self.objects.pop(place, None) is not None:
                del self._order[bisect_left(self._order, place)]
        else:
            if place not in self.objects:
                insort(self._order, place)
            self.objects[place] = change.new
        self._remember(change)

    def _remember(self, change: Change) -> None:
        self._changes.append(change)
        self._size += len(change.last.raw)
        while len(self._changes) > self.window.changes or self._size > self.window.size:
            oldest = self._changes.popleft()
            self._size -= len(oldest.last.raw)
            self.floor = oldest.version

    def since(self, version: int) -> list[Change]:
        """The changes after that version; TooOld when they are not all known."""
        if version < self.floor:
            raise TooOld(version, self.floor)
        return [change for change in self._changes if change.version > version]

    def current(self, namespace: str = "", after: Place | None = None) -> Iterator[Stored]:
        """The objects in order (of one namespace, if given), those behind `after`."""
        return _walk(self._order, self.objects, namespace, after)

    def at(self, version: int, namespace: str = "", after: Place | None = None) -> Iterator[Stored]:
        """The objects as they were at that version; TooOld when that is not known any more."""
        changes = self.since(version)
        if not changes:
            return self.current(namespace, after)
        past = dict(self.objects)
        for change in reversed(changes):
            place = (change.key.namespace, change.key.name)
            if change.old is None:
                past.pop(place, None)
            else:
                past[place] = change.old
        return _walk(sorted(past), past, namespace, after)


def _walk(order: list[Place], objects: dict[Place, Stored], namespace: str, after: Place | None) -> Iterator[Stored]:
    start = bisect_left(order, (namespace, ""))
    if after is not None:
        start = max(start, bisect_left(order, (after[0], after[1] + "\0")))
    for place in order[start:]:
        if namespace and place[0] != namespace:
            return
        yield objects[place]
