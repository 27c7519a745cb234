"""The storageClasses of this node as storage pools of libvirt."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

from controller.hypervisor.port import Hypervisor
from controller.hypervisor.readings import HostPool
from controller.node.places import STANDARD, NodePlaces
from hypersdk.errors import Terminal, Transient

log = logging.getLogger(__name__)
RETRY_S = 30.0


@dataclass
class NodePools:
    """Finds the folders of the classes that are pools of the host, and has libvirt know those that are folders."""

    hypervisor: Hypervisor
    places: NodePlaces
    _known: dict[str, HostPool] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self) -> None:
        """Have libvirt know every class; for those that are pools of the host this is tried until it has told them."""
        for storage_class in dict.fromkeys((STANDARD, *self.places.classes, *self.places.pools)):
            while True:
                if await self._found(storage_class):
                    break
                await asyncio.sleep(RETRY_S)

    async def ensure(self, storage_class: str) -> None:
        """Have the pool of the class running."""
        host_pool = self.places.pools.get(storage_class)
        if host_pool is not None:
            pool = await self.hypervisor.ensure_pool(host_pool)
            self.places.found[storage_class] = Path(pool.path)
        elif storage_class not in self._known:
            # Once: a folder holds disks whatever becomes of its pool.
            pool = await self.hypervisor.ensure_pool(storage_class, str(self.places.root(storage_class)))
        else:
            return
        self._known[storage_class] = pool

    def changed(self, *storage_classes: str) -> None:
        """Something has come into the pools of these classes, or gone; all when none is named."""
        self._changed.update(storage_classes or self._known)
        self._asked.set()

    async def keep_fresh(self) -> None:
        """Let libvirt see what has changed, soon: nobody waits for it."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._changed:
                await self._refresh(self._changed.pop())

    async def _refresh(self, storage_class: str) -> None:
        if (pool := self._known.get(storage_class)) is None:
            return
        try:
            await self.hypervisor.refresh_pool(pool.name)
        except (Transient, Terminal) as error:
            log.warning("pool %s is not refreshed: %s", pool.name, error)

    async def _found(self, storage_class: str) -> bool:
        try:
            await self.ensure(storage_class)
        except (Transient, Terminal) as error:
            log.warning("storageClass %s is no pool of libvirt's yet: %s", storage_class, error)
            # A folder holds disks all the same, and is tried again with the next one.
            return storage_class not in self.places.pools
        return True
