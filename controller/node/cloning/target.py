"""What is the object of a clone? The source's spec without what only one VM may have. Pure."""

import re

from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject
from hypersdk.model.marks import CLONED_FROM, FILLING
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import CloneSpec, VMOperation

OURS = "hypersdk.io/"
LONGEST_NAME = 253
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_KUBECTLS = "kubectl.kubernetes.io/last-applied-configuration"


def asked(op: VMOperation, vm: VirtualMachine) -> tuple[str, CloneSpec]:
    """The name of the clone, and how it is made; Terminal for what is refused."""
    spec = op.spec.clone_spec
    if spec is None or not spec.target_name:
        raise Terminal("InvalidClone", "the operation clone needs cloneSpec.targetName: write the name of the new VM")
    namespace = op.metadata.namespace or "default"
    for what, other in (
        ("cloneSpec.targetNamespace", spec.target_namespace),
        ("cloneSpec.snapshotRef", spec.snapshot_ref.namespace if spec.snapshot_ref else None),
    ):
        if other not in {None, "", namespace}:
            words = f"{what} names the namespace {other}; a clone stays in the namespace of its source, {namespace}"
            raise Terminal("CrossNamespaceReference", words)
    for name in (spec.target_name, *([spec.snapshot_ref.name] if spec.snapshot_ref else [])):
        if len(name) > LONGEST_NAME or not _SUBDOMAIN.fullmatch(name):
            # The name becomes part of a URL's path, where `..` would lead into another namespace.
            raise Terminal("InvalidName", f"{name!r} cannot be a name: write lower case letters, digits and '-'")
    if spec.target_name == vm.metadata.name:
        raise Terminal("TargetExists", f"the clone cannot be named {spec.target_name} too: give it another name")
    return spec.target_name, spec


def clone_object(vm: VirtualMachine, name: str, filled_by: str) -> JsonObject:
    """The clone, which is off, and of which no node makes anything as long as it is marked as being filled."""
    spec = vm.spec.wire() | {"running": False}
    networks = spec.get("networks")
    if isinstance(networks, list):
        spec["networks"] = [_without(network, "macAddress") for network in networks if isinstance(network, dict)]
    labels = {key: value for key, value in (vm.metadata.labels or {}).items() if not key.startswith(OURS)}
    notes = {key: value for key, value in (vm.metadata.annotations or {}).items() if _travels(key)}
    metadata: JsonObject = {
        "name": name,
        "labels": {**labels},
        "annotations": {**notes, CLONED_FROM: vm.metadata.name, FILLING: filled_by},
    }
    return {"metadata": metadata, "spec": spec}


def is_for(target: VirtualMachine, op_uid: str) -> bool:
    """Whether it is the clone that the operation fills."""
    return (target.metadata.annotations or {}).get(FILLING) == op_uid


def released(*, start: bool) -> JsonObject:
    """The patch by which the whole clone becomes a VM like any other."""
    patch: JsonObject = {"metadata": {"annotations": {FILLING: None}}}
    return patch | ({"spec": {"running": True}} if start else {})


def _travels(key: str) -> bool:
    return not key.startswith(OURS) and key != _KUBECTLS


def _without(network: JsonObject, field: str) -> JsonObject:
    return {key: value for key, value in network.items() if key != field}
