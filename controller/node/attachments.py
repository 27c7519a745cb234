"""Which bridge does a NetworkAttachmentDefinition mean? Those of the VM's own namespace, as Multus' users write them.

Only that the bridge plug-in is used, and on which bridge, matters here: the guest does its own addresses. Whether VMs
may be put on that bridge is still the node's to say.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from controller.node.networks import wanted_networks
from hypersdk.errors import Forbidden, NotFound, Terminal
from hypersdk.kube.client import Client
from hypersdk.model.core import NetworkAttachmentDefinition
from hypersdk.model.kinds import NETWORK_ATTACHMENTS
from hypersdk.model.virtualmachine import Network, VirtualMachine

INVALID = "InvalidNetworkDefinition"


@dataclass(frozen=True)
class Attachments:
    """The definitions of the API that VMs are in."""

    client: Client

    async def of(self, vm: VirtualMachine) -> Mapping[str, str]:
        """The bridges by how the VM's networks refer to their definitions; without those that there are none for."""
        found: dict[str, str] = {}
        for network in wanted_networks(vm):
            reference = network.multus_network_name or ""
            if network.type == "multus" and (definition := await self._read(vm, reference)) is not None:
                found[reference] = bridge_of(network, definition)
        return found

    async def _read(self, vm: VirtualMachine, reference: str) -> NetworkAttachmentDefinition | None:
        namespace, _, name = reference.rpartition("/")
        own = vm.metadata.namespace or "default"
        if not name or namespace not in {"", own}:
            return None  # another namespace's is not this VM's to use
        try:
            return await self.client.get(NETWORK_ATTACHMENTS, own, name)
        except (NotFound, Forbidden):
            return None  # no such definition, no such kind, or none that this node may read


def bridge_of(network: Network, definition: NetworkAttachmentDefinition) -> str:
    """The bridge in the CNI configuration of a definition; Terminal when it is not of that kind."""
    what = f"network {network.name}: the NetworkAttachmentDefinition {definition.metadata.name}"
    try:
        config = json.loads(definition.spec.config)
    except (ValueError, RecursionError):
        raise Terminal(INVALID, f"{what} has no configuration in JSON") from None
    plugins = config.get("plugins") or [config] if isinstance(config, dict) else []
    plugin = plugins[0] if isinstance(plugins, list) and plugins else None
    kind = plugin.get("type") if isinstance(plugin, dict) else None
    if not isinstance(plugin, dict) or kind != "bridge":
        raise Terminal(INVALID, f"{what} is of the type {kind!r}; VMs can be put on one of the type 'bridge' only")
    if plugin.get("vlan"):
        raise Terminal(INVALID, f"{what} asks for VLAN {plugin['vlan']}: give the VLAN a bridge of its own")
    bridge = plugin.get("bridge", "cni0")
    if not isinstance(bridge, str):
        raise Terminal(INVALID, f"{what} names no bridge")
    return bridge
