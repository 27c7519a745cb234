"""The newest known form of objects, and writing them: only what differs, and never from what is known to be old."""

import contextlib
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from controller.node.patch import merge_patch
from hypersdk.errors import NotFound
from hypersdk.kube.cache import Cache, Key
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import Kind

T = TypeVar("T", bound=Resource)
Versions = frozenset[str]


@dataclass
class Objects(Generic[T]):
    """Objects of one kind: read from a cache, written through the client.

    After a write the cache is old until the watch brings the new version. Until then the answer of the write counts,
    for as long as the cache still shows a version that is known to be older.
    """

    client: Client
    kind: Kind[T]
    cache: Cache[T]
    _written: dict[Key, tuple[Versions, T]] = field(default_factory=dict)

    def get(self, namespace: str, name: str) -> T | None:
        """The newest known form; None when the cache does not have it."""
        cached = self.cache.get(namespace, name)
        if cached is None:
            self._written.pop((namespace, name), None)
            return None
        return self.newest(cached)

    def newest(self, cached: T) -> T:
        """The newest known form of an object of the cache."""
        older, written = self._written.get(cached.key, (frozenset(), cached))
        if cached.metadata.resource_version in older and cached.metadata.uid == written.metadata.uid:
            return written
        self._written.pop(cached.key, None)
        return cached

    async def write(self, obj: T, patch: JsonObject, *, subresource: str = "") -> T:
        """Patch the object and remember the answer."""
        namespace, name = obj.key
        answer = await self.client.patch(self.kind, namespace, name, patch, subresource=subresource)
        older, _ = self._written.get(obj.key, (frozenset(), obj))
        self._written[obj.key] = (older | {obj.metadata.resource_version}, answer)
        return answer

    async def write_status(self, obj: T, old: JsonObject, new: JsonObject, *, only_this: bool = False) -> T:
        """Patch the status when it differs; `only_this` makes it a Conflict when the API has another version by now."""
        patch = merge_patch(old, new)
        if not patch:
            return obj
        guard: JsonObject = {"metadata": {"resourceVersion": obj.metadata.resource_version}} if only_this else {}
        return await self.write(obj, guard | {"status": patch}, subresource="status")

    async def hold(self, obj: T, finalizer: str) -> T:
        """Keep the object, once it is deleted, until it is released; nothing for one that is being deleted already."""
        held = obj.metadata.finalizers or []
        if finalizer in held or obj.metadata.deletion_timestamp is not None:
            return obj
        return await self._finalizers(obj, [*held, finalizer])

    async def release(self, obj: T, finalizer: str) -> T:
        """Let the object go; no error when it has gone."""
        held = obj.metadata.finalizers or []
        if finalizer in held:
            with contextlib.suppress(NotFound):
                return await self._finalizers(obj, [one for one in held if one != finalizer])
        return obj

    async def _finalizers(self, obj: T, finalizers: list[str]) -> T:
        # The list is replaced whole: only as long as nobody else has written it.
        version = obj.metadata.resource_version
        return await self.write(obj, {"metadata": {"finalizers": [*finalizers], "resourceVersion": version}})
