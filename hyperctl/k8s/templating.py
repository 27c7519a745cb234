"""`template create`: from a VM, a snapshot or an image to a VMTemplate."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_TEMPLATES
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmtemplate import VMTemplate
from hypersdk.plaintext import plain
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome

PASSING = frozenset({"Importing", "Copying", "NotLookedAt"})
"""Reasons of a template that is on its way."""


async def create_template(session: Session, arguments: argparse.Namespace) -> int:
    """Create it, and wait until VMs can be made of it or it says why not."""
    name = arguments.name
    if not name or (not arguments.vm) == (not arguments.image):
        raise UsageError("template create needs -name, and -from with a VM or -image with an image")
    vm = await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm) if arguments.vm else None
    spec = template_spec(arguments, vm)
    made = await session.client.create(VM_TEMPLATES, session.namespace, {"metadata": {"name": name}, "spec": spec})
    print(f"vmtemplate.hypersdk.io/{made.metadata.name} created")
    teller = Teller()

    def settled(template: VMTemplate | None) -> Outcome | None:
        return outcome_of(template, made.metadata.generation, teller)

    outcome = await until(session.client, VM_TEMPLATES, session.namespace, name, settled)
    print(f"hyperctl: {plain(outcome.message)}" if not outcome.ok else plain(outcome.message), file=sys.stderr)
    return Exit.OK if outcome.ok else Exit.FAILED


def template_spec(arguments: argparse.Namespace, vm: VirtualMachine | None) -> JsonObject:
    """The template's spec: of a VM its shape, and its first disk as the image."""
    spec: JsonObject = {"displayName": arguments.display_name or arguments.name}
    if arguments.description:
        spec["description"] = arguments.description
    if vm is None:
        return spec | {"image": {"source": arguments.image}}
    return spec | {"image": {"source": f"vm://{vm.metadata.name}"}, "defaultSpec": shape(vm)}


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


def outcome_of(template: VMTemplate | None, generation: int, teller: Teller) -> Outcome | None:
    """What became of it; None while it is on its way."""
    if template is None:
        return Outcome(False, "the template was deleted while it was being made")
    ready = condition(template.status.conditions, "Ready")
    if ready is None or template.status.observed_generation != generation:
        return None
    if ready.status == "True":
        return Outcome(True, f"{template.metadata.name} is ready: {ready.message or ''}")
    if ready.reason in PASSING:
        teller(None, ready.message or ready.reason or "")
        return None
    return Outcome(False, f"{template.metadata.name} is not ready: {ready.message or ready.reason}")


def _only(obj: JsonObject, *names: str) -> JsonObject:
    return {name: obj[name] for name in names if name in obj}
