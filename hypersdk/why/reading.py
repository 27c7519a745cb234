"""How are the facts about one VM read from the API? With whatever rights the person has."""

from datetime import datetime
from typing import TypeVar

from hypersdk.errors import HyperSDKError, NotFound
from hypersdk.kube.client import Client
from hypersdk.model.base import Resource
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS, Kind
from hypersdk.model.vmnode import VMNode
from hypersdk.why.facts import Facts

R = TypeVar("R", bound=Resource)


async def facts_of(client: Client, namespace: str, name: str, now: datetime) -> Facts:
    """Everything about that VM; NotFound when there is none. What may not be read beside it is left out."""
    vm = await client.get(VIRTUAL_MACHINES, namespace, name)
    operations = [op for op in await _some(client, VM_OPERATIONS, namespace) if op.spec.vm_ref.name == name]
    about = f"involvedObject.kind=VirtualMachine,involvedObject.name={name}"
    node, known = await _node(client, vm.status.node_name)
    return Facts(vm, now, operations, node, await _some(client, EVENTS, namespace, about), known)


async def _node(client: Client, name: str | None) -> tuple[VMNode | None, bool]:
    if not name:
        return None, True
    try:
        return await client.get(VM_NODES, "", name), True
    except NotFound:
        return None, True
    except HyperSDKError:
        return None, False


async def _some(client: Client, kind: Kind[R], namespace: str, fields: str = "") -> list[R]:
    try:
        return await client.list(kind, namespace, fields=fields)
    except HyperSDKError:
        return []
