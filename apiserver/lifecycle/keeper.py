"""What does the server clean up by itself? Contents of deleted namespaces and definitions, orphans, old events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from apiserver.document import child, items, text
from apiserver.lifecycle.internal import Own
from apiserver.lifecycle.owners import Owners, owner_references
from apiserver.refusal import Refusal
from apiserver.registry import builtin
from apiserver.registry.definitions import FINALIZER
from apiserver.storage.stored import Change, Key, Stored
from apiserver.tables.duration import parsed
from hypersdk.model.base import JsonObject

log = logging.getLogger(__name__)
EVENT_LIFE = timedelta(hours=1)
_SWEEP_S = 60.0
_RETRY_S = 1.0


@dataclass(frozen=True)
class Job:
    """Something to look at: a namespace, a definition, an object with dependents, or the events."""

    what: str
    key: Key
    uid: str = ""


class Keeper:
    """Looks at every published change, and does what a cluster's controllers would do about it."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._owners = Owners()
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._waiting: set[Job] = set()
        self._work: dict[str, Callable[[Job], Awaitable[None]]] = {
            "namespace": self._empty_namespace,
            "definition": self._remove_definition,
            "owner": self._collect,
            "dependent": self._check_owners,
            "final": self._finish,
        }

    def begin(self) -> None:
        """Take in what is stored, and everything from now on."""
        store = self._own.store
        for resource in store.resources():
            for stored in store.collection(resource).current():
                self._owners.take(stored.key, stored)
                self._look(stored.key, stored)
        store.listen(self.notice)

    def notice(self, change: Change) -> None:
        """Look at a change; called in the order of versions."""
        if change.key.resource == builtin.DEFINITIONS:
            self._catalogue(change)
        self._owners.take(change.key, change.new)
        if change.new is not None:
            self._look(change.key, change.new)
            return
        self._enqueue(Job("owner", change.key, text(child(change.last.document(), "metadata"), "uid")))
        self._enqueue(Job("namespace", Key(builtin.NAMESPACES, "", change.key.namespace)))
        self._enqueue(Job("definition", Key(builtin.DEFINITIONS, "", change.key.resource)))

    def _catalogue(self, change: Change) -> None:
        if change.new is not None:
            self._own.catalogue.define(change.key.name, change.new.document())
        else:
            self._own.catalogue.forget(change.key.name)
            self._own.store.end_watches(change.key.name)

    def _look(self, key: Key, state: Stored) -> None:
        if b'"ownerReferences"' in state.raw:
            self._enqueue(Job("dependent", key))
        if b'"deletionTimestamp"' not in state.raw:
            return
        if key.resource == builtin.NAMESPACES:
            self._enqueue(Job("namespace", key))
        elif key.resource == builtin.DEFINITIONS:
            self._enqueue(Job("definition", key))
        elif b'"foregroundDeletion"' in state.raw or b'"orphan"' in state.raw:
            self._enqueue(Job("final", key))

    def _enqueue(self, job: Job) -> None:
        if job not in self._waiting:
            self._waiting.add(job)
            self._jobs.put_nowait(job)

    async def run(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            while True:
                job = await self._jobs.get()
                self._waiting.discard(job)
                try:
                    await self._work[job.what](job)
                except Refusal as error:
                    log.warning("could not clean up %s: %s", job.key, error)
                    asyncio.get_running_loop().call_later(_RETRY_S, self._enqueue, job)

    def _state(self, key: Key) -> JsonObject | None:
        found = self._own.store.get(key)
        return found.document() if found is not None else None

    async def _empty_namespace(self, job: Job) -> None:
        namespace = self._state(job.key)
        if namespace is None or "deletionTimestamp" not in child(namespace, "metadata"):
            return
        await self._own.store.barrier()
        await asyncio.gather(*(self._delete(key) for key in self._content(job.key.name)))
        if not self._content(job.key.name):
            await self._own.change(job.key, lambda obj: child(obj, "spec").update({"finalizers": []}))

    def _content(self, namespace: str) -> list[Key]:
        store = self._own.store
        return (
            [one.key for name in store.resources() for one in store.collection(name).current(namespace)]
            if namespace
            else []
        )

    async def _remove_definition(self, job: Job) -> None:
        definition = self._state(job.key)
        if definition is None or "deletionTimestamp" not in child(definition, "metadata"):
            return
        await self._own.store.barrier()
        collection = self._own.store.collection(job.key.name)
        await asyncio.gather(*(self._delete(one.key) for one in list(collection.current())))
        if not collection.objects:
            await self._own.change(job.key, lambda obj: _drop_finalizer(obj, FINALIZER))

    async def _delete(self, key: Key) -> None:
        resource = self._own.catalogue.by_id(key.resource)
        if resource is not None:
            await self._own.delete(resource, key)

    async def _collect(self, job: Job) -> None:
        """An owner is gone: let go of its dependents, or look at who waits for them."""
        for key in self._owners.dependents(job.uid):
            await self._check_owners(Job("dependent", key))

    async def _check_owners(self, job: Job) -> None:
        """Delete an object when none of the owners that it names is there; drop references to those that are not."""
        document = self._state(job.key)
        if document is None:
            return
        owners = owner_references(document)
        gone = {text(owner, "uid") for owner in owners if not self._exists(owner, job.key.namespace)}
        if owners and len(gone) == len({text(owner, "uid") for owner in owners}):
            await self._delete(job.key)
        elif gone:
            await self._own.change(job.key, lambda obj: _drop_owners(obj, gone))

    def _exists(self, owner: JsonObject, namespace: str) -> bool:
        """Whether an owner is there; of kinds that are not served here nothing is known, so they are left alone."""
        resource = self._own.catalogue.of_kind(text(owner, "apiVersion"), text(owner, "kind"))
        if resource is None:
            return True
        place = namespace if resource.namespaced else ""
        found = self._state(Key(resource.id, place, text(owner, "name")))
        return found is not None and text(child(found, "metadata"), "uid") == text(owner, "uid")

    async def _finish(self, job: Job) -> None:
        """Do what `foregroundDeletion` and `orphan` finalizers wait for, and drop them."""
        document = self._state(job.key)
        if document is None:
            return
        uid = text(child(document, "metadata"), "uid")
        finalizers = items(child(document, "metadata"), "finalizers")
        dependents = self._owners.dependents(uid)
        if "orphan" in finalizers:
            for key in dependents:
                await self._own.change(key, lambda obj: _drop_owners(obj, {uid}))
            await self._own.change(job.key, lambda obj: _drop_finalizer(obj, "orphan"))
        elif "foregroundDeletion" in finalizers and dependents:
            await asyncio.gather(*(self._delete(key) for key in dependents))
            self._enqueue_later(job)
        elif "foregroundDeletion" in finalizers:
            await self._own.change(job.key, lambda obj: _drop_finalizer(obj, "foregroundDeletion"))

    def _enqueue_later(self, job: Job) -> None:
        asyncio.get_running_loop().call_later(_RETRY_S, self._enqueue, job)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self.forget_events()

    async def forget_events(self) -> None:
        """Delete events an hour after they happened last."""
        border = self._own.now() - EVENT_LIFE
        for stored in list(self._own.store.collection(builtin.EVENTS).current()):
            moment = parsed(_last_seen(stored.document()))
            if moment is not None and moment < border:
                await self._delete(stored.key)


def _last_seen(event: JsonObject) -> str:
    series = text(child(event, "series"), "lastObservedTime")
    created = text(child(event, "metadata"), "creationTimestamp")
    return max(series, text(event, "lastTimestamp"), text(event, "eventTime"), created)


def _drop_finalizer(obj: JsonObject, finalizer: str) -> None:
    meta = child(obj, "metadata")
    meta["finalizers"] = [one for one in items(meta, "finalizers") if one != finalizer]
    if not meta["finalizers"]:
        del meta["finalizers"]


def _drop_owners(obj: JsonObject, uids: set[str]) -> None:
    meta = child(obj, "metadata")
    meta["ownerReferences"] = [one for one in owner_references(obj) if text(one, "uid") not in uids]
    if not meta["ownerReferences"]:
        del meta["ownerReferences"]
