"""`template create`: from a VM, a snapshot or an image to a VMTemplate."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_SNAPSHOTS, VM_TEMPLATES
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.plaintext import plain
from hypersdk.verbs.templates import settled, shape


async def create_template(session: Session, arguments: argparse.Namespace) -> int:
    """Create it, and wait until VMs can be made of it or it says why not."""
    name = arguments.name
    if not name or sum(map(bool, (arguments.vm, arguments.from_snapshot, arguments.image))) != 1:
        raise UsageError("template create needs -name, and one of -from VM, -from-snapshot SNAPSHOT and -image IMAGE")
    if arguments.to and (arguments.image or not arguments.secret):
        raise UsageError("-to is for an image made of -from or -from-snapshot, and needs -secret with its account")
    machine = arguments.vm
    if arguments.from_snapshot:
        machine = (await session.client.get(VM_SNAPSHOTS, session.namespace, arguments.from_snapshot)).machine[1]
    vm = await session.client.get(VIRTUAL_MACHINES, session.namespace, machine) if machine else None
    spec = template_spec(arguments, vm)
    made = await session.client.create(VM_TEMPLATES, session.namespace, {"metadata": {"name": name}, "spec": spec})
    print(f"vmtemplate.hypersdk.io/{made.metadata.name} created")
    outcome = await settled(session.client, made, Teller())
    print(f"hyperctl: {plain(outcome.message)}" if not outcome.ok else plain(outcome.message), file=sys.stderr)
    return Exit.OK if outcome.ok else Exit.FAILED


def template_spec(arguments: argparse.Namespace, vm: VirtualMachine | None) -> JsonObject:
    """The template's spec: of a VM its shape, and its first disk as the image."""
    spec: JsonObject = {"displayName": arguments.display_name or arguments.name}
    if arguments.description:
        spec["description"] = arguments.description
    store: JsonObject = {"secretRef": {"name": arguments.secret}} if arguments.secret else {}
    if arguments.to:
        store |= {"uploadTo": arguments.to}
    if vm is None:
        return spec | {"image": {"source": arguments.image, **store}}
    source = f"snapshot://{arguments.from_snapshot}" if arguments.from_snapshot else f"vm://{vm.metadata.name}"
    return spec | {"image": {"source": source, **store}, "defaultSpec": shape(vm)}
