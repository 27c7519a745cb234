"""Which of the host's GPUs does a VM get? Each one is one VM's alone, from its definition to its deletion.

Who has which is read from the domains' definitions. Only between a choice and the definition that comes of it is it
remembered here, so that two VMs that are prepared at the same time do not choose the same.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from controller.cluster.placement import gpus_of
from controller.domain.desired import HostDevice
from controller.hypervisor.port import Hypervisor
from controller.hypervisor.readings import HostGpu
from controller.node.finding import NotYet
from hypersdk.model.virtualmachine import VirtualMachine

REASON = "GpuUnavailable"
RETRY_S = 10.0
Rules = Sequence[tuple[str, str]]
"""Names that VMs ask by, each with the model, address or UUID of the GPUs that go by it."""


@dataclass
class Gpus:
    """The GPUs of this host."""

    hypervisor: Hypervisor
    rules: Rules
    _chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, vm: VirtualMachine, known: Collection[str]) -> tuple[HostDevice, ...]:
        """What the VM gets, the same again and again; NotYet when there are not enough. `known`: uids of this node."""
        wanted = gpus_of(vm)
        if not wanted:
            self._chosen.pop(vm.metadata.uid, None)
            return ()
        async with self._alone:
            there = await self.hypervisor.gpus()
            held = await self.hypervisor.host_devices()
            self._chosen = {
                uid: chosen
                for uid, chosen in self._chosen.items()
                if uid in known and not set(chosen) <= set(held.get(uid, ()))
            }
            own = vm.metadata.uid
            mine = (*held.get(own, ()), *self._chosen.get(own, ()))
            others = [some for every in (held, self._chosen) for uid, some in every.items() if uid != own]
            devices = choose(wanted, there, self.rules, mine, {address for some in others for address in some})
            self._chosen[own] = tuple(device.address for device in devices)
        return devices


def choose(
    wanted: Mapping[str, int], there: Iterable[HostGpu], rules: Rules, mine: Collection[str], taken: Set[str]
) -> tuple[HostDevice, ...]:
    """The devices for that many GPUs of each name, first those that it has already; NotYet when there are too few."""
    gpus = sorted(there, key=lambda gpu: (gpu.address not in mine, gpu.address))
    chosen: list[HostGpu] = []
    for name, count in wanted.items():
        fitting = [gpu for gpu in gpus if goes_by(gpu, name, rules) and not gpu.trouble]
        gone = taken | {address for gpu in chosen for address in _all(gpu)}
        cut_up = {gpu.parent for gpu in gpus if gpu.address in gone}
        free = [gpu for gpu in fitting if gpu.address not in cut_up and not gone & {*_all(gpu), gpu.parent}]
        if len(free) < count:
            words = f"{len(free)} of {count} GPUs {name} are free on this node, which has {len(fitting)}"
            raise NotYet(REASON, words, RETRY_S)
        chosen += free[:count]
    devices = (HostDevice(gpu.kind, address) for gpu in chosen for address in (gpu.address, *gpu.companions))
    return tuple(dict.fromkeys(devices))


def goes_by(gpu: HostGpu, name: str, rules: Rules) -> bool:
    """Whether VMs that ask for that name may get it."""
    return any(rule == name and what in {gpu.model, gpu.address} for rule, what in rules)


def name_of(gpu: HostGpu, rules: Rules) -> str:
    """The name that VMs ask by; empty when they may not have it."""
    return next((name for name, what in rules if what in {gpu.model, gpu.address}), "")


def _all(gpu: HostGpu) -> set[str]:
    return {gpu.address, *gpu.companions}
