"""Which columns and cells do the built-in kinds have? The same as kubectl shows for a real cluster."""

from collections.abc import Callable
from datetime import datetime

from pydantic import JsonValue

from apiserver.document import child, items, objects, text
from apiserver.registry.resource import Layout, TableColumn
from apiserver.tables.columns import NAME
from apiserver.tables.duration import age, parsed
from hypersdk.model.base import JsonObject

_AGE = TableColumn("Age", description="How long ago the object was created.")
Cells = Callable[[JsonObject, datetime], list[JsonValue]]


def _named(columns: tuple[TableColumn, ...], cells: Cells) -> Layout:
    """A layout that begins with the object's name."""

    def row(obj: JsonObject, now: datetime) -> list[JsonValue]:
        return [text(child(obj, "metadata"), "name"), *cells(obj, now)]

    return Layout((NAME, *columns), row)


def _age(obj: JsonObject, now: datetime) -> str:
    return age(child(obj, "metadata").get("creationTimestamp"), now)


def _size(obj: JsonObject, *names: str) -> int:
    return sum(len(child(obj, name)) for name in names)


def _lease(obj: JsonObject, now: datetime) -> list[JsonValue]:
    return [text(child(obj, "spec"), "holderIdentity"), _age(obj, now)]


def _definition(obj: JsonObject, _now: datetime) -> list[JsonValue]:
    spec, names = child(obj, "spec"), child(obj, "spec", "names")
    served = [version for version in objects(items(spec, "versions")) if version.get("served") is True]
    shown = [text(one, "name") + ("(storage)" if one.get("storage") is True else "") for one in served]
    short = [name for name in items(names, "shortNames") if isinstance(name, str)]
    established = any(
        (text(one, "type"), text(one, "status")) == ("Established", "True")
        for one in objects(items(child(obj, "status"), "conditions"))
    )
    created = child(obj, "metadata").get("creationTimestamp")
    scope, group, kind = text(spec, "scope"), text(spec, "group"), text(names, "kind")
    return [scope, ",".join(shown), created, group, kind, ",".join(short), established]


def _node(obj: JsonObject, now: datetime) -> list[JsonValue]:
    info = child(obj, "status", "nodeInfo")
    addresses = {text(one, "type"): text(one, "address") for one in objects(items(child(obj, "status"), "addresses"))}
    prefix = "node-role.kubernetes.io/"
    labels = child(obj, "metadata", "labels")
    roles = sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))
    return [
        _node_status(obj),
        ",".join(roles) or "<none>",
        _age(obj, now),
        text(info, "kubeletVersion"),
        addresses.get("InternalIP") or "<none>",
        addresses.get("ExternalIP") or "<none>",
        text(info, "osImage") or "<unknown>",
        text(info, "kernelVersion") or "<unknown>",
        text(info, "containerRuntimeVersion") or "<unknown>",
    ]


def _node_status(obj: JsonObject) -> str:
    conditions = objects(items(child(obj, "status"), "conditions"))
    ready = next((text(one, "status") for one in conditions if text(one, "type") == "Ready"), "")
    words = ["Unknown" if not ready else "Ready" if ready == "True" else "NotReady"]
    if child(obj, "spec").get("unschedulable") is True:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _event(obj: JsonObject, now: datetime) -> list[JsonValue]:
    about, source = child(obj, "involvedObject"), child(obj, "source")
    component = text(source, "component") or text(obj, "reportingComponent")
    host = text(source, "host") or text(obj, "reportingInstance")
    count = obj.get("count")
    return [
        _interval(obj, now),
        text(obj, "type"),
        text(obj, "reason"),
        f"{text(about, 'kind').lower()}/{text(about, 'name')}",
        text(about, "fieldPath"),
        f"{component}, {host}" if host else component,
        text(obj, "message").strip(),
        age(_first_seen(obj), now),
        count if isinstance(count, int) and count > 0 else 1,
        text(child(obj, "metadata"), "name"),
    ]


def _first_seen(obj: JsonObject) -> JsonValue:
    return obj.get("firstTimestamp") or obj.get("eventTime")


def _interval(obj: JsonObject, now: datetime) -> str:
    """When it was seen last; with the count and the first time when it repeats."""
    series = child(obj, "series")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or _first_seen(obj)
    return age(last, now) if parsed(last) else age(_first_seen(obj), now)


NAMESPACES = _named(
    (TableColumn("Status", description="The phase of the namespace."), _AGE),
    lambda obj, now: [text(child(obj, "status"), "phase"), _age(obj, now)],
)
CONFIG_MAPS = _named(
    (TableColumn("Data", description="How many keys there are."), _AGE),
    lambda obj, now: [_size(obj, "data", "binaryData"), _age(obj, now)],
)
SECRETS = _named(
    (
        TableColumn("Type", description="What the secret is for."),
        TableColumn("Data", description="How many keys there are."),
        _AGE,
    ),
    lambda obj, now: [text(obj, "type"), _size(obj, "data"), _age(obj, now)],
)
LEASES = _named((TableColumn("Holder", description="Who holds the lease."), _AGE), _lease)
DEFINITIONS = _named(
    (
        TableColumn("Scope", description="Cluster or Namespaced."),
        TableColumn("Versions", description="The versions served."),
        TableColumn("Created At", "date", description="When the object was created."),
        TableColumn("Group", description="The API group.", priority=1),
        TableColumn("Kind", description="The kind of the objects.", priority=1),
        TableColumn("ShortNames", description="Short names.", priority=1),
        TableColumn("Established", "boolean", description="Whether the objects are served.", priority=1),
    ),
    _definition,
)
NODES = _named(
    (
        TableColumn("Status", description="Whether the node is ready."),
        TableColumn("Roles", description="The roles of the node."),
        _AGE,
        TableColumn("Version", description="The kubelet's version."),
        TableColumn("Internal-IP", description="The address inside the cluster.", priority=1),
        TableColumn("External-IP", description="The address outside the cluster.", priority=1),
        TableColumn("OS-Image", description="The operating system.", priority=1),
        TableColumn("Kernel-Version", description="The kernel.", priority=1),
        TableColumn("Container-Runtime", description="The container runtime.", priority=1),
    ),
    _node,
)
EVENTS = Layout(
    (
        TableColumn("Last Seen", description="When it happened last."),
        TableColumn("Type", description="Normal or Warning."),
        TableColumn("Reason", description="Why, in one word for programs."),
        TableColumn("Object", description="What the event is about."),
        TableColumn("Subobject", description="The part of the object.", priority=1),
        TableColumn("Source", description="Who reports it.", priority=1),
        TableColumn("Message", description="What happened, for a person."),
        TableColumn("First Seen", description="When it happened first.", priority=1),
        TableColumn("Count", description="How often it happened.", priority=1),
        TableColumn("Name", "string", "name", "The name of the event.", priority=1),
    ),
    _event,
)
NOTHING = Layout((), lambda _obj, _now: [])
