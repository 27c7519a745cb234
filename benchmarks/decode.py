"""How long does typed decoding of 10,000 VMs take, beside plain JSON? `python -m benchmarks.decode`.

msgspec is measured too where it is installed (`pip install msgspec` into an environment that is thrown away); it is
none of ours.
"""

import importlib
import importlib.util
import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from types import ModuleType, UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine

VMS = 10_000
PAGE = 500
ROUNDS = 3


def machine(number: int) -> JsonObject:
    """A running VM of 2 kB, as a server answers it (who owns which field is left out, as the watch does)."""
    disks: list[JsonObject] = [{"name": f"d{one}", "size": "10Gi", "storageClass": "standard"} for one in range(2)]
    since = "2026-11-23T10:00:00Z"
    conditions: list[JsonObject] = [
        {
            "type": kind,
            "status": "True",
            "reason": "Observed",
            "message": "as it should be",
            "lastTransitionTime": since,
        }
        for kind in ("Ready", "GuestAgentConnected", "Scheduled")
    ]
    usage: JsonObject = {"cpu": {"usage": "12%"}, "memory": {"used": "1Gi", "available": "3Gi"}}
    return {
        "apiVersion": "hypersdk.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": f"vm-{number:05}",
            "namespace": "default",
            "resourceVersion": str(number),
            "generation": 3,
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "creationTimestamp": since,
            "labels": {"app": f"app-{number % 50}", "tier": "web"},
            "annotations": {"note": "x" * 300},
        },
        "spec": {
            "cpus": 2,
            "memory": "4Gi",
            "running": True,
            "machineType": "q35",
            "image": {"source": "ubuntu"},
            "disks": [*disks],
            "networks": [{"name": "default"}],
            "firmware": {"bootloader": "uefi"},
            "cloudInit": {"userData": "#cloud-config\n" + "# a comment of some length\n" * 20},
        },
        "status": {
            "phase": "Running",
            "nodeName": "n1",
            "ipAddresses": ["10.0.0.7"],
            "observedGeneration": 3,
            "conditions": [*conditions],
            "resourceUsage": usage,
        },
    }


def _told(what: str, work: Callable[[], object]) -> None:
    """The CPU time of the quickest of a few rounds, and the memory of what it gives."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    tracemalloc.start()
    kept = work()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    print(f"{what}: {min(times) * 1000:.0f} ms, {size / 1e6:.0f} MB")


def main() -> None:
    """Print the figures."""
    machines = [machine(number) for number in range(VMS)]
    pages = [json.dumps({"items": machines[start : start + PAGE]}) for start in range(0, VMS, PAGE)]
    lines = [json.dumps(one) for one in machines]
    read = VirtualMachine.model_validate
    print(f"{VMS} VMs of {len(lines[0])} bytes, in {len(pages)} pages, then one by one")
    _told("pages: json.loads", lambda: [json.loads(page) for page in pages])
    _told("pages: json.loads, pydantic", lambda: [[*map(read, json.loads(page)["items"])] for page in pages])
    _told("events: json.loads", lambda: [*map(json.loads, lines)])
    _told("events: json.loads, pydantic", lambda: [read(json.loads(line)) for line in lines])
    _told("events: pydantic from JSON", lambda: [*map(VirtualMachine.model_validate_json, lines)])
    if importlib.util.find_spec("msgspec"):
        _msgspec(importlib.import_module("msgspec"), lines)


def _msgspec(msgspec: ModuleType, lines: list[str]) -> None:
    untyped = msgspec.json.Decoder()
    typed = msgspec.json.Decoder(_struct(msgspec, VirtualMachine))
    _told("events: msgspec to dicts", lambda: [*map(untyped.decode, lines)])
    _told("events: msgspec to structs (drops unknown fields)", lambda: [*map(typed.decode, lines)])


def _struct(msgspec: ModuleType, model: type[BaseModel]) -> object:
    """The same fields as the model's, without its patterns and limits."""
    fields = [
        (info.alias or name, _translated(msgspec, info.annotation), None) for name, info in model.model_fields.items()
    ]
    return msgspec.defstruct(model.__name__, fields)


def _translated(msgspec: ModuleType, kind: object) -> object:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _struct(msgspec, kind)
    origin, parts = get_origin(kind), [_translated(msgspec, part) for part in get_args(kind)]
    if origin is Annotated:
        return parts[0]
    if origin in {Union, UnionType}:
        return Union[tuple(parts)]  # noqa: UP007 -- made at run time
    if origin is list or origin is dict:
        return origin[tuple(parts)]
    return kind if kind in {str, int, bool, float, datetime, type(None)} else object


if __name__ == "__main__":
    main()
