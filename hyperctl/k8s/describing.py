"""`vm describe NAME`: everything about one VM on one page."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from hyperctl.exits import Exit
from hyperctl.k8s.columns import seen, view
from hyperctl.k8s.output import Row, aligned, details
from hyperctl.k8s.reading import about
from hyperctl.k8s.session import Session
from hyperctl.k8s.watching import Selection, listed
from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_OPERATIONS, Kind
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation


async def describe(session: Session, arguments: argparse.Namespace) -> int:
    """Print it."""
    client, namespace, name = session.client, session.namespace, arguments.vm
    vm = await client.get(VIRTUAL_MACHINES, namespace, name)
    operations, events = await asyncio.gather(
        listed(client, VM_OPERATIONS, Selection(namespace, fields=f"spec.vmRef.name={name}")),
        listed(client, EVENTS, Selection(namespace, fields=about(name))),
    )
    of_this = [event for event in events if event.involved_object.uid in {vm.metadata.uid, None, ""}]
    sys.stdout.write(page(vm, operations, of_this, datetime.now(UTC)))
    return Exit.OK


def page(vm: VirtualMachine, operations: Sequence[VMOperation], events: Sequence[Event], now: datetime) -> str:
    """The VM, its parts, what was done to it and what happened to it, the newest last."""
    parts = [details(vm, now)]
    parts += _section("Labels", [(key, value) for key, value in sorted((vm.metadata.labels or {}).items())])
    disks = [(d.name, d.size, d.type, d.storage_class) for d in vm.spec.disks or []]
    parts += _section("Disks", disks, ("NAME", "SIZE", "TYPE", "CLASS"))
    networks = [(n.name, n.type, n.mac_address or "") for n in vm.spec.networks or []]
    parts += _section("Networks", networks, ("NAME", "TYPE", "MAC"))
    parts += _objects("Operations", VM_OPERATIONS, sorted(operations, key=lambda op: op.metadata.name), now)
    happened: list[Event] = sorted(events, key=seen)
    parts += _objects("Events", EVENTS, happened, now)
    return "\n".join(parts)


def _objects(title: str, kind: Kind[Resource], objects: Sequence[Resource], now: datetime) -> list[str]:
    shown = view(kind, namespaces=False, wide=True)
    return _section(title, [shown.row(obj, now) for obj in objects], shown.head)


def _section(title: str, rows: Sequence[Row], head: Row | None = None) -> list[str]:
    if not rows:
        return []
    lines = aligned([head, *rows] if head else rows).splitlines()
    return [f"{title}:\n" + "".join(f"  {line}\n" for line in lines)]
