"""Everything that a VM needs before there can be a domain, and the domain that comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from controller.domain.desired import DesiredDomain
from controller.domain.layers import with_layers
from controller.hypervisor.port import Hardware, Hypervisor, ObservedDomain
from controller.node.attachments import INVALID, Attachments
from controller.node.clashes import Clashes
from controller.node.definitions import Definitions, drift
from controller.node.desired import HostView, desired_domain
from controller.node.finding import Finding, NotYet
from controller.node.gpus import Gpus
from controller.node.host import Host
from controller.node.layout import NOTHING
from controller.node.live import LiveChange, field_of
from controller.node.networks import HostNetworks, as_defined, host_networks, needs_pod_network, unasked
from controller.node.nodeconditions import kvm_obstacle
from controller.node.operations.obstacle import Obstacle
from controller.node.places import NodePlaces
from controller.node.running import RunningVms, as_it_is, is_on_pod_network
from controller.node.storage import Storage
from controller.settings import Settings
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import ImageProgress, VirtualMachine

DISKS_READY = Finding("True", "DisksReady", "every disk is there")
CLASH_RETRY_S = 10.0
KVM_RETRY_S = 60.0
OF_NETWORKS = {"NetworkNotFound", INVALID, "InvalidBridgeName", "InvalidMAC", "DuplicateMAC"}
NETWORK_WAITS = Finding("Unknown", "NotPrepared", "looked at when the disks are there")


@dataclass(frozen=True)
class Prepared:
    """What came of it: the domain when there can be one, and what is said of each part."""

    desired: DesiredDomain | None = None
    disks: Finding = DISKS_READY
    network: Finding = NETWORK_WAITS
    failure: Finding | None = None
    image: ImageProgress | None = None
    drift: tuple[str, ...] = ()
    """Fields of the spec that the running guest does not have yet."""
    live: tuple[LiveChange, ...] = ()
    """What of them it can be given now."""
    retry_in_s: float | None = None
    """When it is worth another try by itself; None when something has to change first."""

    @property
    def obstacle(self) -> Obstacle | None:
        """Why there can be no domain now."""
        if self.desired is not None:
            return None
        worst = next(one for one in (self.failure, self.disks, self.network) if one and one.status != "True")
        return Obstacle(worst.reason, worst.message, final=self.retry_in_s is None)


class Guarding(Protocol):
    """Sees to it that no VM is defined or started over another file than the one it wrote to last."""

    async def there(self, vm: VirtualMachine, observed: ObservedDomain | None) -> Hardware:
        """The domain as it is, or as it was, with its layers; Terminal or NotYet when that is not certain."""
        ...

    async def running(self, vm: VirtualMachine, observed: ObservedDomain) -> Hardware | None:
        """The same of one that runs, where a disk is to be plugged in again; Terminal when it must not be changed."""
        ...

    async def written(self, vm: VirtualMachine, observed: ObservedDomain | None) -> Mapping[str, str]:
        """The file that each disk was written to last, by the disk's own; those of which that is certain."""
        ...


@dataclass
class Preparation:
    """Prepares VMs on this host."""

    hypervisor: Hypervisor
    host: Host
    storage: Storage
    places: NodePlaces
    definitions: Definitions
    settings: Settings
    clashes: Clashes
    attachments: Attachments
    gpus: Gpus
    guard: "Guarding | None" = None
    """Who looks after layers; without snapshots there are none."""

    def _known(self) -> set[str]:
        return {vm.metadata.uid for vm in self.clashes.vms()}

    def __post_init__(self) -> None:
        self.running = RunningVms(self.storage, self.places, self.settings.limits.disk_overcommit)

    async def of(self, vm: VirtualMachine, observed: ObservedDomain | None, wake: Callable[[], None]) -> Prepared:
        """For a running domain only what it should be is told; otherwise what is missing is made."""
        if observed is not None and observed.is_active:
            return await self._running(vm, observed, wake)
        try:
            there = await self._there(vm, observed)
            image = await self.storage.prepare(vm, wake, there)
        except NotYet as error:
            return Prepared(disks=Finding("False", error.reason, str(error)), retry_in_s=error.retry_in_s)
        except Terminal as error:
            return Prepared(disks=Finding("False", error.reason, str(error)))
        if image is not None:
            return Prepared(disks=Finding("False", "Importing", progress_words(image)), image=image, retry_in_s=5.0)
        networks = unasked(self.settings.network)
        if needs_pod_network(vm):
            networks = await host_networks(self.hypervisor, self.settings.network)
        prepared = await self._domain(vm, observed, networks, there)
        if prepared.desired is not None and (clash := await self.clashes.of(vm, prepared.desired)):
            return Prepared(network=clash, failure=clash, retry_in_s=CLASH_RETRY_S)
        if prepared.desired is None:
            return prepared
        return replace(prepared, disks=await self.running.too_large(vm, there) or prepared.disks)

    async def _there(self, vm: VirtualMachine, observed: ObservedDomain | None) -> Hardware:
        if self.guard is not None:
            return await self.guard.there(vm, observed)
        return observed.hardware if observed is not None else NOTHING

    async def _running(self, vm: VirtualMachine, observed: ObservedDomain, wake: Callable[[], None]) -> Prepared:
        try:
            there = await self.guard.running(vm, observed) if self.guard is not None else None
        except NotYet as error:
            return Prepared(disks=Finding("False", error.reason, str(error)), retry_in_s=error.retry_in_s)
        except Terminal as error:
            return Prepared(disks=Finding("False", error.reason, str(error)))
        started = self.definitions.running(observed)
        now = as_it_is(vm, started, observed.hardware) if started else None
        networks = as_defined(vm, now, self.settings.network)
        if now is not None and needs_pod_network(vm) and not is_on_pod_network(vm, now):
            # The first of this guest's: what it means is asked of the host, as before a start.
            networks = await host_networks(self.hypervisor, self.settings.network)
        prepared = await self._domain(vm, observed, networks, there)
        if started is None or prepared.desired is None:
            return prepared
        offer = await self.running.offer(vm, started, observed.hardware, prepared.desired, wake)
        moves = any(field_of(change) == "networks" for change in offer.changes)
        clash = await self.clashes.of(vm, prepared.desired) if moves else None
        return replace(
            prepared,
            disks=offer.disks or prepared.disks,
            network=clash or prepared.network,
            drift=offer.gap.fields,
            live=_unless(clash, offer.changes),
            retry_in_s=CLASH_RETRY_S if clash else offer.retry_in_s,
        )

    async def _domain(
        self,
        vm: VirtualMachine,
        observed: ObservedDomain | None,
        networks: HostNetworks,
        there: Hardware | None = None,
    ) -> Prepared:
        running = self.definitions.running(observed)
        facts = await self.host.known()
        if (observed is None or not observed.is_active) and (why := kvm_obstacle(facts)):
            words = Finding("False", "KvmUnusable", why)
            return Prepared(network=networks.finding, failure=words, retry_in_s=KVM_RETRY_S)
        virt_type = running.virt_type if running else facts.virt_type
        try:
            attached = await self.attachments.of(vm)
            devices = await self.gpus.of(vm, self._known())
            view = HostView(self.places, virt_type, networks.pod, self.settings.bridges, attached, devices)
            desired = desired_domain(vm, view, running)
            if (known := there or (observed.hardware if observed is not None else None)) is not None:
                desired = with_layers(desired, known)
        except NotYet as error:
            words = Finding("False", error.reason, str(error))
            return Prepared(network=networks.finding, failure=words, retry_in_s=error.retry_in_s)
        except Terminal as error:
            refused = Finding("False", error.reason, str(error))
            if error.reason in OF_NETWORKS:
                return Prepared(network=refused, failure=refused)
            return Prepared(network=networks.finding, failure=refused)
        return Prepared(desired, network=networks.finding, drift=drift(observed, running, desired).fields)


def _unless(clash: Finding | None, changes: tuple[LiveChange, ...]) -> tuple[LiveChange, ...]:
    """Without those of the networks while they would get in another VM's way."""
    return tuple(change for change in changes if clash is None or field_of(change) != "networks")


def progress_words(image: ImageProgress) -> str:
    """How far an import is, for a person."""
    if image.total_bytes:
        return f"importing the image, {100 * image.bytes_transferred // image.total_bytes}%"
    return f"importing the image, {image.bytes_transferred // 2**20} MiB so far"
