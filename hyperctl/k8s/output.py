"""Objects as people and programs want to read them: table, wide, json, yaml, name, jsonpath."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest

import yaml

from hyperctl.k8s.jsonpath import template
from hyperctl.k8s.jsonpath_values import render
from hypersdk.model.base import JsonObject, Resource, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, Kind
from hypersdk.model.virtualmachine import ConditionType, VirtualMachine
from hypersdk.plaintext import plain, plain_lines

Row = tuple[str, ...]


def faithful(obj: Resource) -> JsonObject:
    """The object as the API sent it."""
    return obj.model_dump(mode="json", by_alias=True, exclude_unset=True)


def machine_readable(
    objects: Sequence[Resource], output: str, *, as_list: bool, kind: Kind[Resource] = VIRTUAL_MACHINES
) -> str:
    """json, yaml, name or jsonpath; a list is a v1 List, as kubectl prints it."""
    if output == "name":
        return "".join(f"{full_name(kind)}/{obj.metadata.name}\n" for obj in objects)
    whose: JsonObject = {"apiVersion": kind.api_version, "kind": kind.kind}
    items = [whose | faithful(obj) for obj in objects]
    value: JsonObject = (
        {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list(items)} if as_list else items[0]
    )
    if output.startswith("jsonpath="):
        clean = _harmless_lines if sys.stdout.isatty() else str
        return render(template(output.removeprefix("jsonpath=")), value, clean)
    if output == "json":
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def full_name(kind: Kind[Resource]) -> str:
    """`virtualmachine.hypersdk.io`; `event` of the core group."""
    return ".".join(filter(None, (kind.singular, kind.group)))


def _harmless_lines(text: str) -> str:
    return "\n".join(plain_lines(text))


def table(machines: Sequence[VirtualMachine], now: datetime, *, namespaces: bool, wide: bool) -> str:
    """One line a VM under a heading."""
    return aligned([machine_head(namespaces, wide), *(machine_row(vm, now, namespaces, wide) for vm in machines)])


def machine_head(namespaces: bool, wide: bool) -> Row:
    """The heading of a table of VMs."""
    head: Row = ("NAME", "STATUS", "CPUS", "MEMORY", "NODE", "IP", "AGE")
    head = ("NAMESPACE", *head) if namespaces else head
    return (*head, "IMAGE", "REASON") if wide else head


def machine_row(vm: VirtualMachine, now: datetime, namespaces: bool, wide: bool) -> Row:
    """A VM's line."""
    addresses = vm.status.ip_addresses or [""]
    row: Row = (
        vm.metadata.name,
        str(vm.phase),
        str(vm.spec.cpus),
        vm.spec.memory,
        vm.status.node_name or "",
        addresses[0],
        age(vm.metadata.creation_timestamp, now),
    )
    row = (vm.metadata.namespace or "", *row) if namespaces else row
    return (*row, (vm.spec.image.source if vm.spec.image else None) or "", reason(vm)) if wide else row


def reason(vm: VirtualMachine) -> str:
    """Why the VM is not ready, in one word and one sentence; empty when it is."""
    ready = condition(vm.status.conditions, ConditionType.READY)
    if ready is None or ready.status == "True":
        return ""
    return ": ".join(filter(None, (ready.reason, ready.message)))


def aligned(rows: Sequence[Row]) -> str:
    """Columns padded to their widest cell, three blanks between, none at the end."""
    return Columns().text(rows)


class Columns:
    """Lines of a table that come one after another: a column never gets narrower."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def text(self, rows: Sequence[Row]) -> str:
        """The rows, in line with those before."""
        clean = [[plain(cell) or "-" for cell in row] for row in rows]
        for row in clean:
            widths = zip_longest(self._widths, map(len, row), fillvalue=0)
            self._widths = [max(one, other) for one, other in widths]
        return "".join(
            "   ".join(c.ljust(w) for c, w in zip(row, self._widths, strict=True)).rstrip() + "\n" for row in clean
        )


def age(since: datetime | None, now: datetime) -> str:
    """`119s`, `5m`, `3h`, `2d`: in the largest unit of which there are two."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def details(vm: VirtualMachine, now: datetime) -> str:
    """Everything about one VM that a person asks first."""
    status = vm.status
    agent = status.guest_agent
    usage = status.resources
    pairs: list[Row] = [
        ("Name:", f"{vm.metadata.namespace}/{vm.metadata.name}"),
        ("Status:", str(vm.phase)),
        ("Wanted:", "running" if vm.spec.running else "stopped"),
        ("Size:", f"{vm.spec.cpus} vCPU, {vm.spec.memory}"),
        ("Image:", (vm.spec.image.source if vm.spec.image else None) or ""),
        ("Node:", status.node_name or ""),
        ("Addresses:", ", ".join(status.ip_addresses or [])),
        ("Guest agent:", f"{agent.version or 'connected'}" if agent and agent.connected else "not connected"),
        ("CPU in use:", (usage.cpu.usage if usage and usage.cpu else None) or ""),
        ("Memory in use:", (usage.memory.usage if usage and usage.memory else None) or ""),
        ("QEMU pid:", str(status.qemu_pid or "")),
        ("Started:", f"{age(status.start_time, now)} ago" if status.start_time else ""),
        ("Age:", age(vm.metadata.creation_timestamp, now)),
    ]
    head: Row = ("CONDITION", "STATUS", "REASON", "MESSAGE")
    rows = [head, *((c.type, c.status, c.reason or "", c.message or "") for c in status.conditions or [])]
    return aligned(pairs) + (("\n" + aligned(rows)) if len(rows) > 1 else "")
