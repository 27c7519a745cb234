"""How are the facts about one VM read from the API? With whatever rights the person has."""

from datetime import datetime

from hypersdk.errors import HyperSDKError, NotFound
from hypersdk.kube.client import Client
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from hypersdk.why.facts import Facts


async def facts_of(client: Client, namespace: str, name: str, now: datetime) -> Facts:
    """Everything about that VM; NotFound when there is none. What may not be read beside it is left out."""
    vm = await client.get(VIRTUAL_MACHINES, namespace, name)
    node, known = await _node(client, vm.status.node_name)
    return Facts(vm, now, await _operations(client, vm), node, known)


async def _node(client: Client, name: str | None) -> tuple[VMNode | None, bool]:
    if not name:
        return None, True
    try:
        return await client.get(VM_NODES, "", name), True
    except NotFound:
        return None, True
    except HyperSDKError:
        return None, False


async def _operations(client: Client, vm: VirtualMachine) -> list[VMOperation]:
    try:
        return [op for op in await client.list(VM_OPERATIONS, vm.key[0]) if op.machine == vm.key]
    except HyperSDKError:
        return []
