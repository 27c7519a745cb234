"""What do moves leave on this node? Looked for until nothing is left; only the API itself says whose a VM is."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field

from controller.node.migration.incoming import Incoming
from controller.node.migration.leaving import Leavings
from controller.node.migration.records import Record, Records
from hypersdk.errors import HyperSDKError, NotFound
from hypersdk.kube.client import Client
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import VMOperation

log = logging.getLogger(__name__)
BUSY_S, IDLE_S = 3.0, 15.0
SETTLED = frozenset({Phase.RUNNING, Phase.PAUSED, Phase.STOPPED, Phase.CREATING, Phase.FAILED})
"""Said by a node that has taken the VM over."""


@dataclass
class Sweep:
    """Removes what is left of VMs that have gone, and of those that never came."""

    node: str
    client: Client
    records: Records
    leavings: Leavings
    incoming: Incoming
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def soon(self) -> None:
        """There is something to be looked at."""
        self._asked.set()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            left = True
            try:
                left = await self.look()
            except OSError as error:
                log.warning("what moves have left behind cannot be read: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUSY_S if left else IDLE_S):
                    await self._asked.wait()
            self._asked.clear()

    async def look(self) -> bool:
        """Look at every record once; whether any is left."""
        for record in await asyncio.to_thread(self.records.all, "incoming"):
            await self._tried(record, self._came(record))
        for record in await asyncio.to_thread(self.records.all, "outgoing"):
            await self._tried(record, self._went(record))
        return bool(await asyncio.to_thread(lambda: [*self.records.all("incoming"), *self.records.all("outgoing")]))

    async def _tried(self, record: Record, looking: "Coroutine[None, None, None]") -> None:
        try:
            await looking
        except HyperSDKError as error:
            log.info("uid=%s what its move has left stays for now: %s", record.uid, error)

    async def _came(self, record: Record) -> None:
        """Something was made ready for it here."""
        vm = await self._vm(record)
        if vm is not None and vm.status.node_name == self.node:
            await self.incoming.run(vm)
            return
        # The VM first, then the operation: the hand-over is written before the operation's end.
        if vm is not None and await self._goes_on(record, self.node):
            return
        vm = await self._vm(record)
        if vm is None or vm.status.node_name != self.node:
            await self.incoming.discard(record.uid)

    async def _went(self, record: Record) -> None:
        """It was to leave, and may have left."""
        if await self._goes_on(record, record.other):
            return
        vm = await self._vm(record)
        if vm is not None and vm.status.node_name == self.node:
            await asyncio.to_thread(self.records.forget, "outgoing", record.uid)
            return
        if vm is not None and vm.phase not in SETTLED:
            return
        await self.leavings.remove(record)
        await asyncio.to_thread(self.records.forget, "outgoing", record.uid)
        log.info("uid=%s what it left here is removed; it is on node %s", record.uid, record.other)

    async def _vm(self, record: Record) -> VirtualMachine | None:
        try:
            vm = await self.client.get(VIRTUAL_MACHINES, *record.key)
        except NotFound:
            return None
        return vm if vm.metadata.uid == record.uid else None

    async def _goes_on(self, record: Record, target: str) -> bool:
        """Whether the operation that it was made for is not over."""
        try:
            op: VMOperation = await self.client.get(VM_OPERATIONS, record.namespace, record.operation)
        except NotFound:
            return False
        return not op.phase.is_over and (op.status.result or {}).get("targetNode") == target
