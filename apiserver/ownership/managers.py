"""Who owns which field? metadata.managedFields, read, written, and kept true over plain writes."""

from dataclasses import dataclass, replace
from datetime import datetime

from apiserver.document import child, items, made_child, objects, text
from apiserver.ownership.fieldset import SELF, Tree, difference, from_fields_v1, to_fields_v1, union
from apiserver.ownership.structure import Comparison
from hypersdk.model.base import JsonObject, rfc3339

_NOT_OWNED_META = (
    *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields"),
    *("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"),
)


@dataclass(frozen=True)
class Writer:
    """Who writes, and through which endpoint."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True)
class Manager:
    """One entry of managedFields."""

    writer: Writer
    time: str
    fields: Tree


def read_managers(obj: JsonObject) -> dict[Writer, Manager]:
    """The entries of an object."""
    managers: dict[Writer, Manager] = {}
    for entry in objects(items(child(obj, "metadata"), "managedFields")):
        writer = Writer(
            text(entry, "manager"), text(entry, "operation"), text(entry, "apiVersion"), text(entry, "subresource")
        )
        managers[writer] = Manager(writer, text(entry, "time"), from_fields_v1(child(entry, "fieldsV1")))
    return managers


def write_managers(obj: JsonObject, managers: dict[Writer, Manager]) -> None:
    """Write the entries that still own something: appliers first, then by time and name."""
    kept = [manager for manager in managers.values() if manager.fields]
    kept.sort(key=lambda one: (one.writer.operation, one.time, one.writer.name, one.writer.subresource))
    meta = made_child(obj, "metadata")
    meta.pop("managedFields", None)
    if kept:
        meta["managedFields"] = [_entry(manager) for manager in kept]


def _entry(manager: Manager) -> JsonObject:
    entry: JsonObject = {
        "manager": manager.writer.name,
        "operation": manager.writer.operation,
        "apiVersion": manager.writer.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(manager.fields),
    }
    if manager.time:
        entry["time"] = manager.time
    if manager.writer.subresource:
        entry["subresource"] = manager.writer.subresource
    return entry


def track_update(
    old: JsonObject, new: JsonObject, schema: JsonObject, writer: Writer, now: datetime, *, is_new: bool = False
) -> None:
    """Give the writer what it changed, and take that from everybody else."""
    before = items(child(old, "metadata"), "managedFields")
    sent = items(child(new, "metadata"), "managedFields")
    # What a client sends is believed, and most send what they read; `[{}]` asks to forget who owned what.
    managers = read_managers(new if sent else old)
    if sent == [{}] or not (before or sent or is_new):
        made_child(new, "metadata").pop("managedFields", None)
        return
    comparison = Comparison(ownable(old), ownable(new), schema)
    touched = union(comparison.written, comparison.removed)
    for other, manager in list(managers.items()):
        if other != writer:
            managers[other] = replace(manager, fields=difference(manager.fields, touched))
    mine = managers.get(writer)
    fields = difference(union(mine.fields if mine else {}, comparison.written), comparison.removed)
    if mine is None or fields != mine.fields or comparison.written:
        managers[writer] = Manager(writer, rfc3339(now), fields)
    write_managers(new, managers)


def ownable(obj: JsonObject) -> JsonObject:
    """The object without what nobody owns."""
    meta = {name: value for name, value in child(obj, "metadata").items() if name not in _NOT_OWNED_META}
    rest = {name: value for name, value in obj.items() if name not in {"apiVersion", "kind", "metadata"}}
    return {"metadata": meta, **rest}


def without_metadata_itself(tree: Tree) -> Tree:
    """`metadata` is a member of no set."""
    node = tree.get("f:metadata")
    if node is None:
        return tree
    below = {element: value for element, value in node.items() if element != SELF}
    rest = {element: value for element, value in tree.items() if element not in {SELF, "f:metadata"}}
    return rest | ({"f:metadata": below} if below else {})
