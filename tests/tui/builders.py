"""Objects for the console's tests, each with only what the test is about."""

from datetime import UTC, datetime, timedelta

from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.core import Event
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def vm(name: str, phase: str = "Running", namespace: str = "default", **status: object) -> VirtualMachine:
    """A VM in that phase; `status` takes wire names."""
    wire: dict[str, object] = {
        "apiVersion": "hypersdk.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {"app": name.split("-")[0]},
            "creationTimestamp": rfc3339(NOW - timedelta(hours=2)),
        },
        "spec": {"cpus": 2, "memory": "2Gi", "image": {"source": "demo"}},
        "status": {"phase": phase} | status,
    }
    return VirtualMachine.model_validate(wire)


def event(about: str, reason: str, message: str, type: str = "Normal", minutes: int = 1) -> Event:
    """An event about a VM, so many minutes ago."""
    wire: JsonObject = {
        "kind": "Event",
        "metadata": {"name": f"{about}.{reason}", "namespace": "default"},
        "involvedObject": {"kind": "VirtualMachine", "name": about, "namespace": "default"},
        "reason": reason,
        "message": message,
        "type": type,
        "count": 1,
        "lastTimestamp": rfc3339(NOW - timedelta(minutes=minutes)),
    }
    return Event.model_validate(wire)


def snapshot(
    name: str, of: str, parent: str = "", phase: str = "Ready", hours: int = 1, **status: object
) -> VMSnapshot:
    """A snapshot of a VM, so many hours old; `status` takes wire names."""
    born = rfc3339(NOW - timedelta(hours=hours))
    seen = {"phase": phase, "readyToRestore": phase == "Ready", "creationTime": born, "sizeBytes": 3 * 2**20}
    wire = {
        "kind": "VMSnapshot",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": born},
        "spec": {"vmRef": {"name": of}},
        "status": seen | ({"parentSnapshot": parent} if parent else {}) | status,
    }
    return VMSnapshot.model_validate(wire)


def operation(about: str, what: str, phase: str = "Running", progress: int = 0, minutes: int = 1) -> VMOperation:
    """An operation on a VM, begun so many minutes ago."""
    wire: JsonObject = {
        "kind": "VMOperation",
        "metadata": {"name": f"{about}-{what}", "namespace": "default"},
        "spec": {"vmRef": {"name": about}, "operation": what},
        "status": {"phase": phase, "progress": progress, "startTime": rfc3339(NOW - timedelta(minutes=minutes))},
    }
    return VMOperation.model_validate(wire)
