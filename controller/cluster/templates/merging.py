"""What does a VM get of its template? What its own spec does not say; disks are told apart by their names. Pure."""

from pydantic import JsonValue

from controller.cluster.templates.validity import ROOT
from controller.node.taken import note, taken
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.marks import TEMPLATE
from hypersdk.model.virtualmachine import Disk, VirtualMachine
from hypersdk.model.vmtemplate import TemplateDisk, VMTemplate


def wants_template(vm: VirtualMachine) -> bool:
    """Whether it names a template of which it has taken nothing yet; Terminal for a name that is refused."""
    ref = vm.spec.image.template_ref if vm.spec.image else None
    if ref is None or taken(vm) is not None:
        return False
    if not ref.name:
        raise Terminal("InvalidTemplateRef", "image.templateRef has no name: write that of a VMTemplate")
    if ref.namespace not in {None, "", vm.metadata.namespace}:
        words = f"image.templateRef names the namespace {ref.namespace}; a template is of the VM's own namespace"
        raise Terminal("CrossNamespaceReference", words)
    return True


def refusal(vm: VirtualMachine, template: VMTemplate | None) -> tuple[str, str] | None:
    """Why the VM cannot take it now, as reason and words; None when it can."""
    if template is None:
        name = vm.spec.image.template_ref.name if vm.spec.image and vm.spec.image.template_ref else ""
        return "TemplateNotFound", f"there is no template {name} in namespace {vm.metadata.namespace}"
    name = template.metadata.name
    if template.metadata.deletion_timestamp is not None:
        return "TemplateNotReady", f"the template {name} is being deleted"
    if template.status.ready and template.status.observed_generation == template.metadata.generation:
        return None
    ready = condition(template.status.conditions, "Ready")
    why = (ready.message or ready.reason) if ready is not None else "nobody has looked at it yet"
    return "TemplateNotReady", f"the template {name} is not ready: {why}"


def merged(vm: VirtualMachine, template: VMTemplate) -> JsonObject:
    """The patch of the VM: what it takes into its spec, and the note of what that was."""
    defaults, cloud = template.spec.default_spec, template.spec.cloud_init
    spec: JsonObject = {}
    if defaults is not None:
        if defaults.disks:
            spec["disks"] = _disks(defaults.disks, vm.spec.disks or [])
        if defaults.networks and not vm.spec.networks:
            spec["networks"] = [network.wire() for network in defaults.networks]
        if defaults.firmware is not None and vm.spec.firmware is None:
            spec["firmware"] = defaults.firmware.wire()
        if defaults.guest_agent is not None and vm.spec.guest_agent is None:
            spec["guestAgent"] = defaults.guest_agent.wire()
    own = vm.spec.cloud_init
    if cloud is not None and (own is None or own.secret_ref is None):
        data: JsonObject = {}
        if cloud.default_user_data and (own is None or not own.user_data):
            data["userData"] = cloud.default_user_data
        if cloud.default_network_data and (own is None or not own.network_data):
            data["networkData"] = cloud.default_network_data
        if data:
            spec["cloudInit"] = data
    metadata: JsonObject = {"annotations": {TEMPLATE: note(template)}, "resourceVersion": vm.metadata.resource_version}
    return {"metadata": metadata, **({"spec": spec} if spec else {})}


def _disks(defaults: list[TemplateDisk], own: list[Disk]) -> list[JsonValue]:
    """The template's, each as the VM has it where it has one of that name, then the VM's others."""
    by_name = {disk.name: disk for disk in own}
    out: list[JsonValue] = []
    for default in defaults:
        name = default.name or ROOT
        mine = by_name.pop(name, None)
        disk = default.wire() | {"name": name} | (mine.wire() if mine is not None else {})
        if "size" in disk:  # without one the image's own size is what the root disk gets
            out.append(disk)
    return [*out, *(disk.wire() for disk in own if disk.name in by_name)]
