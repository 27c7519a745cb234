"""Templates: one made of a VM, a VM made of one."""

from hypersdk.errors import UsageError
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_TEMPLATES
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmtemplate import DefaultSpec, VMTemplate
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome, Progress, Values

PASSING = frozenset({"Importing", "Copying", "NotLookedAt"})
"""Reasons of a template that is on its way."""


async def make(client: Client, vm: VirtualMachine, name: str, progress: Progress) -> Outcome:
    """A template of a VM that is off: its shape, and its first disk as the image."""
    if not name:
        raise UsageError("how shall the template be called?")
    spec: JsonObject = {"displayName": name, "image": {"source": f"vm://{vm.metadata.name}"}, "defaultSpec": shape(vm)}
    made = await client.create(VM_TEMPLATES, vm.key[0], {"metadata": {"name": name}, "spec": spec})
    return await settled(client, made, progress)


async def settled(client: Client, made: VMTemplate, progress: Progress) -> Outcome:
    """Wait until VMs can be made of it, or it says why not."""
    return await until(
        client,
        VM_TEMPLATES,
        made.key,
        lambda now: outcome_of(now, made.metadata.generation, progress),
        progress=progress,
    )


async def use(client: Client, template: VMTemplate, values: Values) -> Outcome:
    """A VM of it, with what it says for all that a VM has."""
    name = str(values.get("name") or "")
    if not name:
        raise UsageError("how shall the VM be called?")
    defaults = template.spec.default_spec or DefaultSpec()
    spec: JsonObject = {
        "cpus": defaults.cpus,
        "memory": defaults.memory,
        "image": {"templateRef": {"name": template.metadata.name}},
    }
    if not defaults.networks:
        spec["networks"] = [{"name": "default", "type": "pod-network"}]
    await client.create(VIRTUAL_MACHINES, template.key[0], {"metadata": {"name": name}, "spec": spec})
    return Outcome(True, f"{name} is created; the list of VMs shows how it starts")


def outcome_of(template: VMTemplate | None, generation: int, progress: Progress) -> Outcome | None:
    """What became of it; None while it is on its way."""
    if template is None:
        return Outcome(False, "the template was deleted while it was being made")
    ready = condition(template.status.conditions, "Ready")
    if ready is None or (template.status.observed_generation or 0) < generation:
        return None
    if ready.status == "True":
        return Outcome(True, f"{template.metadata.name} is ready: {ready.message or ''}")
    if ready.reason in PASSING:
        progress(None, ready.message or ready.reason or "")
        return None
    return Outcome(False, f"{template.metadata.name} is not ready: {ready.message or ready.reason}")


def shape(vm: VirtualMachine) -> JsonObject:
    """What VMs of the template have in common with this one, its name in networks and its secrets left out."""
    spec = vm.spec
    out: JsonObject = {"cpus": spec.cpus, "memory": spec.memory}
    if disks := [disk for disk in spec.disks or [] if disk.type == "disk" and disk.source is None]:
        out["disks"] = [_only(disk.wire(), "name", "size", "storageClass", "bootOrder") for disk in disks]
    if networks := [network for network in spec.networks or [] if network.type == "pod-network"]:
        out["networks"] = [_only(network.wire(), "name", "type") for network in networks]
    if spec.firmware is not None:
        out["firmware"] = spec.firmware.wire()
    if spec.guest_agent is not None:
        out["guestAgent"] = spec.guest_agent.wire()
    return out


def _only(obj: JsonObject, *names: str) -> JsonObject:
    return {name: obj[name] for name in names if name in obj}
