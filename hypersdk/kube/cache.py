"""The newest known state of one kind: a plain object that a watch fills and that everybody else only reads."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:  # a console says that it is loading before the models are there
    from hypersdk.model.base import Resource

T = TypeVar("T", bound="Resource")
Key = tuple[str, str]


class Health(StrEnum):
    """How far the cache can be trusted."""

    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"


@dataclass
class Cache(Generic[T]):
    """Objects by (namespace, name), who listens, and how fresh it is."""

    objects: dict[Key, T] = field(default_factory=dict)
    health: Health = Health.LOADING
    error: str = ""
    """Why the cache is stale, or still loading; empty while it is live."""
    contact: float = 0.0
    """Loop time of the last word from the server; 0 when there was none."""
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    lists: int = 0
    """How often everything was listed."""
    watches: int = 0
    """How many watches were begun."""
    _listeners: list[Callable[[frozenset[Key]], None]] = field(default_factory=list)

    def get(self, namespace: str, name: str) -> T | None:
        """The object, if it is known."""
        return self.objects.get((namespace, name))

    def __iter__(self) -> Iterator[T]:
        return iter(list(self.objects.values()))

    def __len__(self) -> int:
        return len(self.objects)

    def subscribe(self, listener: Callable[[frozenset[Key]], None]) -> Callable[[], None]:
        """Call `listener` with the keys that changed (none when only the health did); returns how to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def put(self, items: Iterable[T]) -> None:
        """Add or replace objects."""
        new = {item.key: item for item in items}
        self.objects.update(new)
        self._tell(frozenset(new))

    def drop(self, key: Key) -> None:
        """Forget one object."""
        if self.objects.pop(key, None) is not None:
            self._tell(frozenset({key}))

    def keep_only(self, keys: set[Key]) -> None:
        """Forget what a fresh list no longer has."""
        gone = frozenset(self.objects.keys() - keys)
        for key in gone:
            del self.objects[key]
        if gone:
            self._tell(gone)

    def live(self, now: float) -> None:
        """The server's word is complete up to `now` (loop time)."""
        self.contact = now
        if self.health is not Health.LIVE:
            self.health, self.error = Health.LIVE, ""
            self.synced.set()
            self._tell(frozenset())

    def lost(self, error: str) -> None:
        """The connection is gone: what is here stays readable, and is stale."""
        stale = Health.STALE if self.synced.is_set() else Health.LOADING
        if (self.health, self.error) != (stale, error):
            self.health, self.error = stale, error
            self._tell(frozenset())

    def _tell(self, keys: frozenset[Key]) -> None:
        for listener in tuple(self._listeners):
            listener(keys)
