"""Objects that the contract tests put into an API server."""

from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import GROUP, VERSION

API_VERSION = f"{GROUP}/{VERSION}"


def virtual_machine(name: str, *, labels: dict[str, str] | None = None, **spec: JsonValue) -> JsonObject:
    """A VirtualMachine with the smallest spec, and what `spec` says on top."""
    return of_kind("VirtualMachine", name, labels, {"cpus": 1, "memory": "256Mi", **spec})


def operation(name: str, vm: str, what: str, **spec: JsonValue) -> JsonObject:
    """A VMOperation on that VM."""
    return of_kind("VMOperation", name, None, {"vmRef": {"name": vm}, "operation": what, **spec})


def of_kind(kind: str, name: str, labels: dict[str, str] | None, spec: JsonObject) -> JsonObject:
    """An object of one of our kinds."""
    metadata: JsonObject = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def at(obj: JsonValue, *path: str | int) -> JsonValue:
    """What stands at that path, None where there is nothing."""
    for step in path:
        if isinstance(obj, dict) and isinstance(step, str):
            obj = obj.get(step)
        elif isinstance(obj, list) and isinstance(step, int) and step < len(obj):
            obj = obj[step]
        else:
            return None
    return obj
