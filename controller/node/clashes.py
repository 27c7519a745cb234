"""Is something of the host in the way of a VM's interfaces? A bridge that is missing, a MAC that somebody else has."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import Hypervisor, ObservedDomain
from controller.node.finding import Finding
from hypersdk.model.virtualmachine import VirtualMachine

FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass
class Clashes:
    """Looks before a start; a running VM is never asked to give anything back."""

    hypervisor: Hypervisor
    vms: Callable[[], Iterable[VirtualMachine]]
    """Those of this host."""

    async def of(self, vm: VirtualMachine, desired: DesiredDomain) -> Finding | None:
        """What is in the way now; it may go away by itself."""
        for interface in desired.interfaces:
            if interface.kind == "bridge" and not await self.hypervisor.has_bridge(interface.source):
                words = f"network {interface.name}: the host has no bridge {interface.source}; it is looked for again"
                return Finding("False", "BridgeNotFound", words)
        macs = given_macs(vm)
        if not macs:
            return None
        rival = other_domain(macs, vm.metadata.uid, await self.hypervisor.domains()) or elder(vm, macs, self.vms())
        if rival is None:
            return None
        words = f"{rival} has the macAddress {' or '.join(sorted(macs))} too: give each VM its own, or none"
        return Finding("False", "DuplicateMAC", words)


def given_macs(vm: VirtualMachine) -> set[str]:
    """The MACs that the spec itself names; those that are made of the uid are nobody else's."""
    return {network.mac_address.lower() for network in vm.spec.networks or [] if network.mac_address}


def other_domain(macs: set[str], uid: str, domains: Iterable[ObservedDomain]) -> str | None:
    """The first domain of the host, whosever it is, that has one of them."""
    found = next((one for one in domains if one.uuid != uid and macs & {mac.lower() for mac in one.macs}), None)
    return f"domain {found.name}" if found else None


def elder(vm: VirtualMachine, macs: set[str], others: Iterable[VirtualMachine]) -> str | None:
    """The VM that wants one of them too and was there before: of two that come together exactly one waits."""
    mine = _age(vm)
    found = next((one for one in others if given_macs(one) & macs and _age(one) < mine), None)
    return f"VM {found.metadata.name}" if found else None


def _age(vm: VirtualMachine) -> tuple[datetime, str]:
    return (vm.metadata.creation_timestamp or FIRST, vm.metadata.uid)
