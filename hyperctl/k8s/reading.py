"""`list`, `get` and `events`: objects of any kind, once or for as long as they change."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from hyperctl.exits import Exit
from hyperctl.k8s.columns import seen, view
from hyperctl.k8s.output import Columns, details, machine_readable
from hyperctl.k8s.session import Session
from hyperctl.k8s.watching import Selection, follow, listed
from hypersdk.model.base import Resource
from hypersdk.model.kinds import (
    BACKUP_JOBS,
    BACKUP_SCHEDULES,
    EVENTS,
    RESTORE_JOBS,
    VIRTUAL_MACHINES,
    VM_NODES,
    VM_OPERATIONS,
    VM_TEMPLATES,
    Kind,
)
from hypersdk.model.virtualmachine import VirtualMachine

KINDS: Final[dict[str, Kind[Resource]]] = {
    "vm": VIRTUAL_MACHINES,
    "node": VM_NODES,
    "op": VM_OPERATIONS,
    "template": VM_TEMPLATES,
    "backup": BACKUP_JOBS,
    "schedule": BACKUP_SCHEDULES,
    "restore": RESTORE_JOBS,
}
_CALLED: Final = {
    "vm": "virtual machines",
    "node": "nodes",
    "op": "operations",
    "template": "templates",
    "backup": "backups",
    "schedule": "backup schedules",
    "restore": "restores",
}
_TABLES: Final = ("table", "wide")


class Printer:
    """Prints objects in the form that was asked for."""

    def __init__(self, kind: Kind[Resource], form: str, *, namespaces: bool) -> None:
        self._kind, self._form = kind, form
        self._view = view(kind, namespaces=namespaces, wide=form == "wide")
        self._columns = Columns()

    def all(self, objects: Sequence[Resource], *, as_list: bool) -> None:
        """The objects; a table has its heading."""
        if self._form in _TABLES:
            now = datetime.now(UTC)
            self._write(self._columns.text([self._view.head, *(self._view.row(obj, now) for obj in objects)]))
        else:
            self._write(machine_readable(objects, self._form, as_list=as_list, kind=self._kind))

    def one(self, obj: Resource) -> None:
        """One more, at once."""
        if self._form in _TABLES:
            self._write(self._columns.text([self._view.row(obj, datetime.now(UTC))]))
        else:
            document = "---\n" if self._form == "yaml" else ""
            self._write(document + machine_readable([obj], self._form, as_list=False, kind=self._kind))

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


async def list_objects(session: Session, arguments: argparse.Namespace) -> int:
    """Print the objects of a namespace, or of all of them."""
    kind = KINDS[arguments.group]
    everywhere = kind.namespaced and arguments.all_namespaces
    of_vm = f"spec.vmRef.name={arguments.vm}" if arguments.group == "op" and arguments.vm else ""
    namespace = session.namespace if kind.namespaced and not everywhere else ""
    which = Selection(namespace, arguments.selector, of_vm)
    objects = sorted(await listed(session.client, kind, which), key=lambda obj: obj.key)
    await shown(session, kind, which, objects, arguments, f"no {_CALLED[arguments.group]} in {_place(kind, which)}")
    return Exit.OK


async def events(session: Session, arguments: argparse.Namespace) -> int:
    """Print what happened to one VM, or to all of them."""
    which = Selection("" if arguments.all_namespaces else session.namespace, "", about(arguments.vm))
    happened = sorted(await listed(session.client, EVENTS, which), key=seen)
    whose = f"of {arguments.vm} " if arguments.vm else ""
    await shown(session, EVENTS, which, happened, arguments, f"no events {whose}in {_place(EVENTS, which)}")
    return Exit.OK


def about(vm: str) -> str:
    """The field selector of the Events about a VM, or about any."""
    return "involvedObject.kind=VirtualMachine" + (f",involvedObject.name={vm}" if vm else "")


async def get_object(session: Session, arguments: argparse.Namespace) -> int:
    """Print one object."""
    kind = KINDS[arguments.group]
    name = getattr(arguments, arguments.group)
    namespace = session.namespace if kind.namespaced else ""
    found = await session.client.get(kind, namespace, name)
    if isinstance(found, VirtualMachine) and arguments.output in _TABLES and not arguments.watch:
        sys.stdout.write(details(found, datetime.now(UTC)))
        return Exit.OK
    printer = Printer(kind, arguments.output, namespaces=False)
    printer.all([found], as_list=False)
    if arguments.watch:
        which = Selection(namespace, fields=f"metadata.name={name}")
        await follow(session.client, kind, which, [found], printer.one)
    return Exit.OK


async def shown(
    session: Session,
    kind: Kind[Resource],
    which: Selection,
    objects: Sequence[Resource],
    arguments: argparse.Namespace,
    none: str,
) -> None:
    """Print them, and what changes when that is asked for."""
    printer = Printer(kind, arguments.output, namespaces=kind.namespaced and not which.namespace)
    streams = arguments.watch and arguments.output not in _TABLES
    if not objects and not arguments.watch and arguments.output in _TABLES:
        print(none, file=sys.stderr)
    elif streams:
        for obj in objects:
            printer.one(obj)
    else:
        printer.all(objects, as_list=True)
    if arguments.watch:
        await follow(session.client, kind, which, objects, printer.one)


def _place(kind: Kind[Resource], which: Selection) -> str:
    if not kind.namespaced:
        return "the cluster"
    return f"namespace {which.namespace}" if which.namespace else "any namespace"
