"""What is said of a VM after a pass: its status, and its Events?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.node.apply import Applier, Subject
from controller.node.host import Host
from controller.node.intent import Wanted
from controller.node.look import Look
from controller.node.objects import Objects
from controller.node.resets import last_reset
from controller.node.situation import State
from controller.node.status import status_of, unknown
from controller.node.throttle import is_of_the_guest
from controller.node.turns import events_of
from controller.node.view import View
from controller.settings import Settings
from hypersdk.model.virtualmachine import LastReset, VirtualMachine, VirtualMachineStatus


@dataclass
class Teller:
    """Looks at VMs, and writes what differs from their statuses."""

    settings: Settings
    host: Host
    vms: Objects[VirtualMachine]
    applier: Applier
    look: Look
    now: Callable[[], datetime]

    async def tell(self, state: State) -> None:
        """Look at the VM, and write its status where it differs."""
        subject, observed = state.subject, state.observed
        agent = subject.vm.spec.guest_agent is None or subject.vm.spec.guest_agent.enabled
        sight = await self.look.at(observed, subject.memory, agent=agent, working=bool(state.working))
        if observed is not None and observed.is_active:
            self.look.measure(subject.uid, subject.memory)
        else:
            subject.memory.usage = None
        failure = subject.memory.failure.finding if subject.memory.failure else state.prepared.failure
        view = View(
            node=self.settings.node,
            domain=observed,
            intent=state.intent,
            disks=state.prepared.disks,
            network=state.prepared.network,
            image=state.prepared.image,
            failure=failure if state.intent.wanted is Wanted.ON or observed is None else None,
            guest=sight.guest,
            addresses=sight.addresses,
            usage=subject.memory.usage,
            drift=state.prepared.drift,
            refusals=subject.memory.refusals.words(),
            log_tail=sight.log_tail,
            reset=await self._reset(subject),
            agent_wanted=agent,
            working=state.working,
        )
        await self._write(subject, status_of(subject.vm, view, self.now()))

    async def say_unknown(self, vm: VirtualMachine) -> None:
        """Once libvirt has not answered for a while, nothing is known of the VM."""
        if self.host.is_lost_for(self.settings.pace.unreachable):
            words = f"node {self.settings.node} cannot ask libvirt: {self.host.error}"
            await self.vms.write_status(vm, vm.status.wire(), unknown(vm, words, self.now()).wire())

    async def log_tail(self, domain_name: str) -> Sequence[str]:
        """The last lines of the QEMU log."""
        return await self.look.log_tail(domain_name)

    async def _reset(self, subject: Subject) -> LastReset | None:
        told = subject.memory.resets.take(self.now())
        if told is None:
            return None
        await self.applier.tell(subject, *told)
        return last_reset(told, self.now())

    async def _write(self, subject: Subject, status: VirtualMachineStatus) -> None:
        old = subject.vm.status
        subject.memory.write_in_s = 0.0
        for kind, reason, message in events_of(old, status):
            await self.applier.tell(subject, kind, reason, message)
        if old != status and is_of_the_guest(old, status):
            subject.memory.write_in_s = subject.memory.writes.take(self.now())
            if subject.memory.write_in_s:
                return
        subject.vm = await self.vms.write_status(subject.vm, old.wire(), status.wire())
