"""Whether new VMs are placed on a node."""

from hypersdk.kube.client import Client
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.vmnode import VMNode
from hypersdk.verbs.verb import Outcome


async def schedulable(client: Client, node: VMNode, wanted: bool) -> Outcome:
    """Let VMs be placed on it, or no new ones."""
    name, done = node.metadata.name, "uncordoned" if wanted else "cordoned"
    if node.spec.unschedulable is not wanted:
        return Outcome(True, f"{name} already {done}")
    await client.patch(VM_NODES, "", name, {"spec": {"unschedulable": not wanted}})
    return Outcome(True, f"{name} {done}")
