"""`vm create`: from words to a VirtualMachine."""

import argparse
import sys
from pathlib import Path

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.output import reason
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_TEMPLATES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmtemplate import VMTemplate
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome


async def create_machine(session: Session, arguments: argparse.Namespace) -> int:
    """Create the VM, and wait for it if asked."""
    _check(arguments)
    template = None
    if arguments.from_template:
        template = await session.client.get(VM_TEMPLATES, session.namespace, arguments.from_template)
    body: JsonObject = {"metadata": {"name": arguments.name}, "spec": spec(arguments, template)}
    made = await session.client.create(VIRTUAL_MACHINES, session.namespace, body)
    print(f"virtualmachine.hypersdk.io/{made.metadata.name} created")
    if not arguments.wait:
        return Exit.OK
    outcome = await until(session.client, VIRTUAL_MACHINES, made.key, settled, progress=Teller())
    print(outcome.message, file=sys.stderr)
    return Exit.OK if outcome.ok else Exit.FAILED


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.name:
        raise UsageError("vm create needs -name")
    if arguments.image and arguments.from_template:
        raise UsageError("give -image or -from-template, not both: a template brings its own image")
    if arguments.cpus and not arguments.cpus.isdigit():
        raise UsageError(f"-cpus {arguments.cpus}: write a whole number of vCPUs, such as 4")


def spec(arguments: argparse.Namespace, template: VMTemplate | None) -> JsonObject:
    """The VM's spec; what is not said comes from the template, else from modest defaults."""
    defaults = template.spec.default_spec if template else None
    out: JsonObject = {
        "cpus": int(arguments.cpus or (defaults.cpus if defaults else 1)),
        "memory": arguments.memory or (defaults.memory if defaults else "1Gi"),
        "running": not arguments.stopped,
        "networks": [_network(arguments.network)],
    }
    if defaults is not None and defaults.networks and not arguments.network:
        del out["networks"]  # the template has its own
    if template is not None:
        out["image"] = {"templateRef": {"name": template.metadata.name}}
    elif arguments.image:
        out["image"] = {"source": arguments.image}
    if arguments.disk:
        out["disks"] = [{"name": "root", "size": arguments.disk, "bootOrder": 1}]
    if arguments.user_data:
        out["cloudInit"] = {"userData": _read(Path(arguments.user_data))}
    return out


def _network(words: str | None) -> JsonObject:
    kind, _, name = (words or "").partition(":")
    if not words:
        return {"name": "default", "type": "pod-network"}
    if kind == "bridge" and name:
        return {"name": name, "type": "bridge", "multusNetworkName": name}
    raise UsageError(f"-network {words}: write bridge:NAME")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"-user-data {path}: {error}") from error


def settled(vm: VirtualMachine | None) -> Outcome | None:
    """What became of a VM that somebody waits for; None while it is still on its way."""
    if vm is None:
        return Outcome(False, "the VM was deleted while it was being made")
    if vm.phase is Phase.RUNNING or (vm.phase is Phase.STOPPED and not vm.spec.running):
        return Outcome(True, f"{vm.metadata.name} is {vm.phase}")
    if vm.phase is Phase.FAILED:
        return Outcome(False, f"{vm.metadata.name} is Failed: {reason(vm)}")
    return None
