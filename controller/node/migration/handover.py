"""A VM changes hands: who owns it is one field, written once, by the node that lets it go."""

import logging
from dataclasses import dataclass

from controller.node.migration.ports import Peers
from controller.node.migration.sweep import Sweep
from controller.node.objects import Objects
from controller.node.operations.work import Job
from hypersdk.errors import ApiError, Conflict, HyperSDKError, NotFound, Terminal, Transient, Unreachable
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
CONFLICTS = 5


@dataclass
class HandOver:
    """Gives VMs of this node to others."""

    node: str
    client: Client
    vms: Objects[VirtualMachine]
    peers: Peers
    sweep: Sweep

    async def to(self, job: Job, target: str) -> None:
        """The one write by which the VM changes hands; safe to repeat."""
        namespace, name = job.vm.key
        known = self.vms.cache.get(namespace, name)
        for _ in range(CONFLICTS):
            try:
                # What is known is enough where nobody has written since: the guest stands still meanwhile.
                fresh = self.vms.newest(known) if known else await self.client.get(VIRTUAL_MACHINES, namespace, name)
                known = None
                if fresh.metadata.uid != job.vm.metadata.uid or fresh.status.node_name == target:
                    break
                if fresh.status.node_name != self.node:
                    raise Terminal("NotOwner", f"{name} is on node {fresh.status.node_name}, not here")
                version: JsonObject = {"resourceVersion": fresh.metadata.resource_version}
                patch: JsonObject = {"metadata": version, "status": {"nodeName": target}}
                await self.vms.write(job.vm, patch, subresource="status")
                break
            except Conflict:
                continue
            except NotFound:
                return
            except (ApiError, Unreachable) as error:
                raise Transient(f"the hand-over cannot be written: {error}") from error
        else:
            raise Transient(f"the hand-over of {name} cannot be written: it changes all the time")
        log.info("vm=%s/%s is handed over to node %s", namespace, name, target)
        self.sweep.soon()
        try:
            # It would find out by itself; this way the guest is held for a moment less.
            await self.peers.ask(target, job.vm.key, "run", named(job))
        except HyperSDKError as error:
            log.info("vm=%s/%s node %s was not told: %s", namespace, name, target, error)
        # Whoever watches comes back, and is led to the other node.
        await self.sweep.leavings.consoles.detach(job.vm.metadata.uid)


def named(job: Job) -> JsonObject:
    """The operation, in a message to the other node."""
    return {"operation": job.op.metadata.name}
