"""What becomes of a backup: which VM, and what its object is like. Pure."""

import re

from controller.node.backups.manifest import INVALID, Machine
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject
from hypersdk.model.marks import CLONED_FROM, FILLING
from hypersdk.model.restorejob import RestoreJob, RestoreOptions

RESTORED_FROM = "hypersdk.io/restored-from"
"""An annotation on a VM: the BackupJob whose backup it was made of."""
RESTORED_BY = "hypersdk.io/restored-by"
"""An annotation on a VM: the uid of the RestoreJob that filled its disks, and whether it was there before."""
IN_PLACE = "/in-place"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OURS = "hypersdk.io/"
_MOST_NAME = 253


def checked(restore: RestoreJob) -> None:
    """Terminal for what a restore does not do."""
    to, options = restore.spec.destination, restore.spec.options
    if to.namespace not in {None, restore.metadata.namespace}:
        words = f"destination.namespace is {to.namespace}; a restore stays in its own namespace"
        raise Terminal("CrossNamespaceReference", words)
    if options is not None and options.convert_format not in {None, "qcow2"}:
        raise Terminal("Unsupported", f"convertFormat {options.convert_format}: disks of VMs here are qcow2")


def name_of(restore: RestoreJob, machine: Machine | None = None) -> str:
    """The name of the VM; empty as long as only the manifest knows it."""
    options = restore.spec.options or RestoreOptions()
    name = options.rename_vm or restore.spec.destination.vm_name or (machine.name if machine else "")
    if name and (len(name) > _MOST_NAME or not _NAME.fullmatch(name)):
        raise Terminal("InvalidName", f"{name[:60]!r} cannot be the name of a VM: lower-case letters, digits and '-'")
    return name


def machine_object(restore: RestoreJob, machine: Machine, job: str, name: str) -> JsonObject:
    """A VM as it was, off, and held until its disks are there. A VM of another name is another machine."""
    options = restore.spec.options or RestoreOptions()
    spec = machine.spec | {"running": False}
    is_copy = name != machine.name
    if is_copy and isinstance(networks := spec.get("networks"), list):
        spec["networks"] = [_without(one, "macAddress") for one in networks if isinstance(one, dict)]
    disks = spec.get("disks")
    if restore.spec.destination.storage_class and isinstance(disks, list):
        moved: JsonObject = {"storageClass": restore.spec.destination.storage_class}
        spec["disks"] = [one | moved for one in disks if isinstance(one, dict)]
    if (custom := options.customization) is not None:
        spec |= {"memory": custom.memory} if custom.memory else {}
        spec |= {"cpus": custom.cpu} if custom.cpu else {}
        if custom.networks:
            spec["networks"] = [network.wire() for network in custom.networks]
    labels = {key: value for key, value in machine.labels.items() if not key.startswith(_OURS)}
    notes: JsonObject = {FILLING: restore.metadata.uid, RESTORED_BY: restore.metadata.uid, RESTORED_FROM: job}
    if is_copy:
        notes[CLONED_FROM] = machine.name
    return {"metadata": {"name": name, "labels": {**labels}, "annotations": notes}, "spec": spec}


def released(*, start: bool) -> JsonObject:
    """The patch by which the VM becomes one like any other."""
    return {"metadata": {"annotations": {FILLING: None}}, "spec": {"running": start}}


def paired(names: list[str], planned: list[str]) -> list[str]:
    """The disks of the backup that the VM has; Terminal when it lacks one."""
    if missing := sorted(set(names) - set(planned)):
        known = ", ".join(planned) or "none"
        raise Terminal(INVALID, f"the backup has a disk {missing[0]}, and the VM has not (it has: {known})")
    return names


def _without(one: JsonObject, field: str) -> JsonObject:
    return {key: value for key, value in one.items() if key != field}
