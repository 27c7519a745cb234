"""What is the newest state, and how does it change? Reads are memory; a write is acknowledged once it is on disk."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apiserver.document import encode, made_child
from apiserver.refusal import Refusal
from apiserver.storage.collection import Collection, Window
from apiserver.storage.database import WAY_BACK, Database, Row, StorageError
from apiserver.storage.stored import Change, Key, Stored, stored
from apiserver.storage.subscription import Subscription
from hypersdk.model.base import JsonObject


class Store:
    """Every object. To write: wait for `settled`, then decide and call `put` or `remove` without awaiting between."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, window: Window = Window()) -> None:  # noqa: B008
        self._database = database
        self._loop = loop
        self._window = window
        self._collections: dict[str, Collection] = {}
        self._subscriptions: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._pending: dict[Key, asyncio.Future[Stored]] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self.version = 1
        """The version of the newest published write."""
        self._load()
        self._assigned = self.version
        database.start()

    def _load(self) -> None:
        found: defaultdict[str, list[Stored]] = defaultdict(list)
        for key, version, raw in self._database.objects():
            try:
                found[key.resource].append(stored(key, version, raw))
            except (ValueError, AttributeError) as error:
                raise StorageError(
                    f"{key.resource} {key.namespace}/{key.name} is damaged: {error}. {WAY_BACK}"
                ) from error
        versions = self._database.versions()
        self.version = max(versions.values(), default=1)
        for resource in found.keys() | versions.keys():
            collection = Collection(versions.get(resource, self.version), self._window)
            collection.load(found[resource])
            self._collections[resource] = collection

    def collection(self, resource: str) -> Collection:
        """The objects of one resource."""
        if resource not in self._collections:
            self._collections[resource] = Collection(1, self._window)
        return self._collections[resource]

    def get(self, key: Key) -> Stored | None:
        """One object."""
        return self.collection(key.resource).objects.get((key.namespace, key.name))

    def resources(self) -> list[str]:
        """Every resource that has or had objects."""
        return list(self._collections)

    async def settled(self, key: Key) -> None:
        """Wait until no write to that object is under way."""
        while (writing := self._pending.get(key)) is not None:
            await asyncio.wait([writing])

    async def put(self, key: Key, document: JsonObject) -> Stored:
        """Write the object; answers when it is safe on disk and published."""
        return await asyncio.shield(self._write(key, document, keep=True))

    async def remove(self, key: Key, document: JsonObject) -> Stored:
        """Delete the object; `document` is its last state, told to watchers under the version of the deletion."""
        return await asyncio.shield(self._write(key, document, keep=False))

    async def barrier(self) -> None:
        """Wait until every write that was begun before is published."""
        if self._pending:
            await asyncio.wait(list(self._pending.values()))

    def _write(self, key: Key, document: JsonObject, *, keep: bool) -> asyncio.Future[Stored]:
        assert key not in self._pending, f"two writes at once to {key}"
        self._assigned += 1
        version = self._assigned
        made_child(document, "metadata")["resourceVersion"] = str(version)
        last = stored(key, version, encode(document), document)
        future: asyncio.Future[Stored] = self._loop.create_future()
        self._pending[key] = future
        change = Change(version, key, self.get(key), last if keep else None, last)

        def done(error: Exception | None) -> None:
            self._loop.call_soon_threadsafe(self._finish, change, future, error)

        self._database.submit(Row(key, version, last.raw if keep else None, done))
        return future

    def _finish(self, change: Change, future: "asyncio.Future[Stored]", error: Exception | None) -> None:
        del self._pending[change.key]
        if error is None:
            self._publish(change)
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(Refusal(500, "InternalError", f"Internal error occurred: {error}"))
            future.exception()  # whoever waited may be gone; then nobody has to hear of it
        else:
            future.set_result(change.last)

    def _publish(self, change: Change) -> None:
        self.version = change.version
        self.collection(change.key.resource).take(change)
        for subscription in self._subscriptions[change.key.resource]:
            subscription.push(change)
        for listener in self._listeners:
            listener(change)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` with every published change."""
        self._listeners.append(listener)

    @contextmanager
    def subscribe(self, resource: str, on_break: Callable[[], None] = lambda: None) -> Iterator[Subscription]:
        """The changes of a resource while the context lasts; `on_break` is told at once when it is cut."""
        subscription = Subscription(on_break=on_break)
        self._subscriptions[resource].append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[resource].remove(subscription)

    def end_watches(self, resource: str) -> None:
        """Let the watches of a resource that is no more finish."""
        for subscription in list(self._subscriptions[resource]):
            subscription.end()

    def cut_watches(self) -> None:
        """Break every watch off: the server stops, and clients are to come back after a pause."""
        for subscriptions in self._subscriptions.values():
            for subscription in list(subscriptions):
                subscription.cut()

    def close(self) -> None:
        """Write what is queued and close."""
        self._database.close()
