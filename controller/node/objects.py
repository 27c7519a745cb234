"""The newest known form of objects, and writing them: only what differs, and never from what is known to be old."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from controller.node.patch import merge_patch
from hypersdk.kube.cache import Cache
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
    _written: dict[str, tuple[Versions, T]] = field(default_factory=dict)

    def get(self, namespace: str, name: str) -> T | None:
        """The newest known form; None when the cache does not have it."""
        cached = self.cache.get(namespace, name)
        return self.newest(cached) if cached is not None else None

    def newest(self, cached: T) -> T:
        """The newest known form of an object of the cache."""
        older, written = self._written.get(cached.metadata.uid, (frozenset(), cached))
        if cached.metadata.resource_version in older:
            return written
        self._written.pop(cached.metadata.uid, None)
        return cached

    async def write(self, obj: T, patch: JsonObject, *, subresource: str = "") -> T:
        """Patch the object and remember the answer."""
        namespace, name = obj.key
        answer = await self.client.patch(self.kind, namespace, name, patch, subresource=subresource)
        older, _ = self._written.get(obj.metadata.uid, (frozenset(), obj))
        self._written[obj.metadata.uid] = (older | {obj.metadata.resource_version}, answer)
        return answer

    async def write_status(self, obj: T, old: JsonObject, new: JsonObject) -> T:
        """Patch the status when it differs."""
        patch = merge_patch(old, new)
        return await self.write(obj, {"status": patch}, subresource="status") if patch else obj

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._written.pop(uid, None)
