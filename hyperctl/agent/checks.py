"""Is everything there that VMs need on this node? Each question asked of the thing itself, and nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.hypervisor.kvm_probe import Probe, probe_kvm
from controller.hypervisor.libvirt_host import LibvirtHost
from controller.node.nodeconditions import is_short
from hyperctl.agent.node import Node
from hyperctl.agent.report import Check, Found, fail, ok, skip, warn
from hypersdk.errors import ApiError, NotFound
from hypersdk.kube.client import Client
from hypersdk.model.base import condition
from hypersdk.model.kinds import SUBRESOURCES, VM_NODES
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmnode import VMNode

SILENT_S = 90.0


@dataclass
class Checks:
    """The checks of one node."""

    node: Node
    client: Client
    host: LibvirtHost

    def needed(self) -> Sequence[tuple[str, Check]]:
        """Those without which no VM can be tried, in the order in which each needs the ones before it."""
        return (
            ("API", self.api),
            ("libvirt and QEMU", self.libvirt),
            ("node", self.vmnode),
        )

    def further(self) -> Sequence[tuple[str, Check]]:
        """The others."""
        return (
            ("KVM", self.kvm),
            ("storage pools", self.pools),
            ("networks", self.networks),
            ("foreign domains", self.foreign),
            ("gateway", self.gateway),
        )

    async def api(self) -> Found:
        """Whether it answers and lets us read nodes."""
        nodes = await self.client.list(VM_NODES)
        return ok(f"{self.client.connection.host} answers, {len(nodes)} nodes")

    async def libvirt(self) -> Found:
        """Whether it answers, and what it would run."""
        facts = await self.host.facts()
        machines = ", ".join(facts.machine_types) or "none"
        words = f"libvirt {facts.libvirt_version}, QEMU {facts.qemu_version}, machine types {machines}"
        return ok(words) if facts.machine_types else fail(f"libvirt offers no machine type: {words}")

    async def kvm(self) -> Found:
        """Whether a guest really runs on KVM; tried now, whatever was found earlier."""
        return judged(await probe_kvm(), (await self._vmnode()).status.virt_type)

    async def vmnode(self) -> Found:
        """Whether the node's controller reports, and what it says of itself."""
        status = (await self._vmnode()).status
        beat = status.last_heartbeat_time
        age = (datetime.now(UTC) - beat).total_seconds() if beat else None
        if age is None or age > SILENT_S:
            return fail(f"the controller of {self.node.name} has not reported since {beat}")
        ready = condition(status.conditions, "Ready")
        if ready is None or ready.status != "True":
            return fail(f"{self.node.name} is not ready: {ready.message if ready else 'it has said nothing'}")
        pressures = [c for c in status.conditions or [] if c.type.endswith("Pressure") and c.status == "True"]
        words = f"{self.node.name} is Ready, {status.running_vms} VMs run, reported {age:.0f} s ago"
        return warn(f"{words}; {pressures[0].type}: {pressures[0].message}") if pressures else ok(words)

    async def pools(self) -> Found:
        """Whether each has room."""
        pools = await self.host.pools()
        words = "; ".join(
            f"{pool.name}: {human_bytes(pool.available_bytes)} of {human_bytes(pool.capacity_bytes)} free"
            if pool.active
            else f"{pool.name}: not active"
            for pool in pools
        )
        is_well = all(pool.active and not is_short(pool) for pool in pools)
        return (ok if is_well else warn)(words or "none yet: they are made with the first disk")

    async def networks(self) -> Found:
        """Whether the ones that VMs can be on are up."""
        networks = (await self._vmnode()).status.networks or []
        words = ", ".join(f"{one.name} ({one.kind}{'' if one.active else ', down'})" for one in networks)
        missing = [one.name for one in networks if one.kind == "bridge" and not one.active]
        return fail(f"there is no bridge {', '.join(missing)}: {words}") if missing else ok(words)

    async def foreign(self) -> Found:
        """What else is there, which is never touched."""
        status = (await self._vmnode()).status
        names = status.foreign_domains or []
        return ok(f"{status.foreign_domain_count or 0} on this host{': ' if names else ''}{', '.join(names[:5])}")

    async def gateway(self) -> Found:
        """Whether consoles and metrics come through the API."""
        try:
            await self.client.raw("GET", f"/apis/{SUBRESOURCES}")
        except ApiError as error:
            return fail(f"{SUBRESOURCES} is not served, so there are no consoles: {error}")
        return ok(f"{SUBRESOURCES} is served")

    async def _vmnode(self) -> VMNode:
        try:
            return await self.client.get(VM_NODES, "", self.node.name)
        except NotFound as error:
            known = ", ".join(node.metadata.name for node in await self.client.list(VM_NODES)) or "none"
            raise NotFound(f"there is no VMNode {self.node.name}: name one by --node (there are: {known})") from error


def judged(probe: Probe, used: str | None) -> Found:
    """Against what the node's controller makes of it."""
    if used == "kvm":
        return ok(probe.reason) if probe.works else fail(f"the node starts guests with KVM, and {probe.reason}")
    if probe.works:
        return warn(f"{probe.reason}, and the node emulates its guests all the same: see --virt-type")
    return skip(f"{probe.reason}; guests are emulated (qemu)")
