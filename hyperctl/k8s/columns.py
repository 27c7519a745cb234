"""What does a table show of each kind of object? The columns that the API's own tables have, and more when wide."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from hyperctl.k8s.jsonpath import Path, template
from hyperctl.k8s.jsonpath_values import values, worded
from hyperctl.k8s.output import Row, age, faithful, machine_head, machine_row
from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.kinds import VM_NODES, VM_OPERATIONS, VM_SNAPSHOTS, VM_TEMPLATES, Column, Kind
from hypersdk.model.virtualmachine import VirtualMachine

_WIDE: Final = {
    VM_NODES.plural: Column("Why", "string", ".status.virtTypeReason"),
    VM_OPERATIONS.plural: Column("Message", "string", ".status.message"),
    VM_SNAPSHOTS.plural: Column("Consistency", "string", ".status.consistency"),
    VM_TEMPLATES.plural: Column("Image", "string", ".spec.image.source"),
}


@dataclass(frozen=True)
class View:
    """The heading of a table, and an object's line in it."""

    head: Row
    row: Callable[[Resource, datetime], Row]


def view(kind: Kind[Resource], *, namespaces: bool, wide: bool) -> View:
    """The table of a kind."""
    columns = [*kind.columns, *([_WIDE[kind.plural]] if wide and kind.plural in _WIDE else [])]

    def row(obj: Resource, now: datetime) -> Row:
        match obj:
            case VirtualMachine():
                return machine_row(obj, now, namespaces, wide)
            case Event():
                return event_row(obj, now, namespaces)
        namespace = [obj.metadata.namespace or ""] * namespaces
        return (*namespace, obj.metadata.name, *(_cell(column, faithful(obj), now) for column in columns))

    if kind.model is VirtualMachine:
        return View(machine_head(namespaces, wide), row)
    head: Row = ("NAME", *(column.name.upper() for column in columns))
    head = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE") if kind.model is Event else head
    return View(("NAMESPACE", *head) if namespaces else head, row)


def event_row(event: Event, now: datetime, namespaces: bool) -> Row:
    """An Event's line, repeats counted."""
    about = f"{(event.involved_object.kind or '').lower()}/{event.involved_object.name or ''}"
    times = f" (x{event.count})" if (event.count or 0) > 1 else ""
    row = (age(seen(event), now), event.type or "", event.reason or "", about, f"{event.message or ''}{times}")
    return (event.metadata.namespace or "", *row) if namespaces else row


def seen(event: Event) -> datetime:
    """When it happened last."""
    return event.seen_at or datetime.min.replace(tzinfo=UTC)


def _cell(column: Column, obj: JsonValue, now: datetime) -> str:
    (path,) = template(column.json_path)
    found = values(path, obj, obj) if isinstance(path, Path) else []
    text = " ".join(worded(value) for value in found)
    return age(datetime.fromisoformat(text), now) if text and column.type == "date" else text
