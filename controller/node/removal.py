"""Deletion: the domain first, then everything on the host that carries the uid, then the finalizer."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.hypervisor.port import Hypervisor
from controller.node.apply import Applier, Subject
from controller.node.intent import Intent, Wanted
from controller.node.keeping import keeps_disks
from controller.node.memory import Memories
from controller.node.objects import Objects
from controller.node.plan import plan
from controller.node.prepare import Guarding
from controller.node.storage import Storage
from hypersdk.errors import Terminal, Transient
from hypersdk.model.kinds import FINALIZER
from hypersdk.model.virtualmachine import VirtualMachine


@dataclass
class Removal:
    """Removes VMs from this host; every part is safe to repeat."""

    hypervisor: Hypervisor
    applier: Applier
    storage: Storage
    vms: Objects[VirtualMachine]
    memories: Memories
    guard: Guarding | None = None
    """Who looks after layers; without snapshots there are none."""

    async def hold(self, vm: VirtualMachine) -> VirtualMachine:
        """Put our finalizer on the object, before there is anything on the host to clean up."""
        return await self.vms.hold(vm, FINALIZER)

    async def remove(self, subject: Subject) -> None:
        """Remove everything, then let the object go."""
        if FINALIZER not in (subject.vm.metadata.finalizers or []):
            return
        # The domain is the best witness of what it wrote to.
        written = await self._written(subject) if keeps_disks(subject.vm) else {}
        await self._domain(subject)
        kept = await self.storage.keep(subject.vm, written) if keeps_disks(subject.vm) else []
        if kept:
            words = ", ".join(str(path) for path in kept)
            await self.applier.tell(subject, "Normal", "DisksKept", f"on {self.applier.recorder.host}: {words}")
        await self.storage.remove(subject.uid)
        await self.applier.detach(subject)
        self.memories.forget(subject.uid)
        await self.vms.release(subject.vm, FINALIZER)
        what = "the domain is removed, its disks are kept" if kept else "the domain and its disks are removed"
        await self.applier.tell(subject, "Normal", "Deleted", what)

    async def _written(self, subject: Subject) -> Mapping[str, str]:
        if self.guard is None:
            return {}
        return await self.guard.written(subject.vm, await self.hypervisor.observe(subject.uid))

    async def _domain(self, subject: Subject) -> None:
        observed = await self.hypervisor.observe(subject.uid)
        if observed is not None and observed.owner is None:
            words = (
                f"domain {observed.name} has this VM's UUID and is not the controller's: look at it, then undefine it"
            )
            raise Terminal("ForeignDomain", words)
        steps = plan(None, observed, Intent(Wanted.REMOVED), self.applier.now())
        await self.applier.apply(steps, subject)
        if steps and await self.hypervisor.observe(subject.uid) is not None:
            raise Transient(f"the domain of {subject.vm.metadata.name} is still there")
