"""How does the server write on its own account? The same way as a client would, without HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from apiserver.document import child
from apiserver.objects.preparation import is_held, mark_deleted, prepare_create
from apiserver.ownership.applying import metadata_schema
from apiserver.ownership.managers import Writer, track_update
from apiserver.registry.builtin import schema as builtin_schema
from apiserver.registry.catalogue import Catalogue
from apiserver.registry.resource import ResourceType
from apiserver.storage.store import Store
from apiserver.storage.stored import Key
from hypersdk.model.base import JsonObject

MANAGER = "hypersdk-apiserver"


@dataclass(frozen=True)
class Own:
    """What the server's own writes need."""

    store: Store
    catalogue: Catalogue
    now: Callable[[], datetime]

    async def create(self, resource: ResourceType, obj: JsonObject, namespace: str = "") -> None:
        """Create an object unless it is there."""
        now = self.now()
        prepare_create(resource, obj, namespace, now)
        writer = Writer(MANAGER, "Update", resource.api_version)
        track_update(resource.rules.unowned(obj), obj, _schema(resource), writer, now, is_new=True)
        key = Key(resource.id, namespace, str(child(obj, "metadata")["name"]))
        await self.store.settled(key)
        if self.store.get(key) is None:
            await self.store.put(key, obj)

    async def delete(self, resource: ResourceType, key: Key) -> None:
        """Delete an object, or mark it when a finalizer holds it."""
        await self.store.settled(key)
        found = self.store.get(key)
        if found is None:
            return
        document = found.document()
        if not is_held(document):
            await self.store.remove(key, document)
        elif "deletionTimestamp" not in child(document, "metadata"):
            mark_deleted(document, resource, self.now())
            await self.store.put(key, document)

    async def change(self, key: Key, edit: Callable[[JsonObject], None]) -> None:
        """Edit an object in place; it goes when nothing holds it any more."""
        await self.store.settled(key)
        found = self.store.get(key)
        if found is None:
            return
        document = found.document()
        edit(document)
        if "deletionTimestamp" in child(document, "metadata") and not is_held(document):
            await self.store.remove(key, document)
        else:
            await self.store.put(key, document)


def _schema(resource: ResourceType) -> JsonObject:
    return metadata_schema(resource.schema, builtin_schema("objectmeta"))
