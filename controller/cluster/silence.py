"""Nodes whose controller does not report any more: said of them and of their VMs, and nothing is done to anything."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from controller.node.objects import Objects
from hypersdk.errors import ApiError, Unreachable
from hypersdk.kube.cache import Cache, Health
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.virtualmachine import ConditionType, Phase, VirtualMachine
from hypersdk.model.vmnode import SILENT_FOR, NodeConditionType, VMNode

log = logging.getLogger(__name__)
LOOK_EVERY_S = 10.0
REASON = "NodeStatusUnknown"
"""Kubernetes' own word for it."""
SILENT = "NodeSilent"


@dataclass
class Pulse:
    """When each node's heartbeat was last seen to change, by this process' own clock; no other host's is believed."""

    _seen: dict[str, tuple[datetime | None, float]] = field(default_factory=dict)

    def silent_for(self, node: VMNode, moment: float) -> float:
        """Seconds since the node's heartbeat changed, as far as it was watched."""
        beat = node.status.last_heartbeat_time
        known, since = self._seen.get(node.metadata.name, (None, moment))
        if node.metadata.name not in self._seen or beat != known:
            self._seen[node.metadata.name] = (beat, moment)
            return 0.0
        return moment - since


@dataclass
class Silence:
    """Watches the heartbeats while this process leads."""

    client: Client
    nodes: Cache[VMNode]
    vms: Objects[VirtualMachine]
    recorder: Recorder
    now: Callable[[], datetime]
    _pulse: Pulse = field(default_factory=Pulse)
    _told: dict[str, set[str]] = field(default_factory=dict)
    """By silent node the VMs of which it was said: once in each silence, for the node may yet speak of them itself."""

    async def run(self) -> None:
        """Look from time to time, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.nodes.health is not Health.LIVE or self.vms.cache.health is not Health.LIVE:
                # A watch that is behind makes every node look silent.
                self._pulse = Pulse()
                continue
            try:
                await self.look(asyncio.get_running_loop().time())
            except (ApiError, Unreachable) as error:
                log.info("silent nodes are told of later: %s", error)

    async def look(self, moment: float) -> None:
        """Say what is to be said now."""
        for node in list(self.nodes):
            if self._pulse.silent_for(node, moment) < SILENT_FOR.total_seconds():
                self._told.pop(node.metadata.name, None)
            else:
                await self._tell(node)

    async def _tell(self, node: VMNode) -> None:
        name = node.metadata.name
        words = f"the controller of node {name} has not reported since {node.status.last_heartbeat_time}"
        if name not in self._told:
            log.warning("%s; its guests are left alone", words)
            await self._tell_of_node(node, words)
            self._told[name] = set()
        for cached in list(self.vms.cache):
            vm = self.vms.newest(cached)
            if vm.status.node_name == name and vm.metadata.uid not in self._told[name]:
                await self._tell_of_machine(vm, words)
                self._told[name].add(vm.metadata.uid)

    async def _tell_of_node(self, node: VMNode, words: str) -> None:
        kinds = {NodeConditionType.READY.value, *(condition.type for condition in node.status.conditions or [])}
        conditions = node.status.conditions
        for kind in sorted(kinds):
            lost = Condition(type=kind, status="Unknown", reason=REASON, message=words)
            conditions = with_condition(conditions, lost, self.now())
        version: JsonObject = {"resourceVersion": node.metadata.resource_version}
        patch: JsonObject = {"metadata": version, "status": {"conditions": [one.wire() for one in conditions or []]}}
        await self.client.patch(VM_NODES, "", node.metadata.name, patch, subresource="status")

    async def _tell_of_machine(self, vm: VirtualMachine, words: str) -> None:
        said = f"{words}; the guest may well run on"
        ready = Condition(type=ConditionType.READY, status="Unknown", reason=SILENT, message=said)
        conditions = [one.wire() for one in with_condition(vm.status.conditions, ready, self.now())]
        version: JsonObject = {"resourceVersion": vm.metadata.resource_version}
        status: JsonObject = {"phase": Phase.UNKNOWN.value, "conditions": [*conditions]}
        await self.vms.write(vm, {"metadata": version, "status": status}, subresource="status")
        await self.recorder.record(vm, "Warning", SILENT, said)
