"""How does a value fall into owned fields? By the schema: maps are merged, lists are whole unless it says otherwise."""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from apiserver.document import child, items
from apiserver.ownership.fieldset import SELF, Tree
from apiserver.schema.lists import map_key
from hypersdk.model.base import JsonObject

Parts = dict[str, tuple[JsonValue, JsonObject]]
"""Members of a value by path element, each with its schema."""


def parts(value: JsonValue, schema: JsonObject) -> Parts | None:
    """The members that are owned one by one; None when the value is owned as a whole."""
    if isinstance(value, dict):
        if schema.get("x-kubernetes-map-type") == "atomic":
            return None
        return {f"f:{name}": (member, member_schema(schema, name)) for name, member in value.items()}
    if isinstance(value, list):
        return list_parts(value, schema)
    return None


def list_parts(value: list[JsonValue], schema: JsonObject) -> Parts | None:
    """The members of a set or map list."""
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return {f"v:{_compact(member)}": (member, child(schema, "items")) for member in value}
        case "map":
            names = [name for name in items(schema, "x-kubernetes-list-map-keys") if isinstance(name, str)]
            return {
                f"k:{_compact(map_key(member, names, schema))}": (member, child(schema, "items")) for member in value
            }
    return None


def member_schema(schema: JsonObject, name: str) -> JsonObject:
    """The schema of a member of an object; an empty one lets everything merge."""
    return child(schema, "properties", name) or child(schema, "additionalProperties")


def is_declared(schema: JsonObject, element: str) -> bool:
    """Whether a schema names that field; the keys of a map are members themselves."""
    return element.startswith("f:") and element[2:] in child(schema, "properties")


def owned_fields(value: JsonValue, schema: JsonObject) -> Tree:
    """The set of fields that an applied configuration states."""
    members = parts(value, schema)
    if not members:
        return {SELF: None}
    tree: Tree = {}
    for element, (member, below) in members.items():
        node = owned_fields(member, below)
        if not is_declared(schema, element):
            node = node | {SELF: None}
        tree[element] = node
    return tree


def every_field(value: JsonValue, schema: JsonObject) -> Tree:
    """Every node of a value, for what appears or disappears as a whole."""
    tree: Tree = {SELF: None}
    for element, (member, below) in (parts(value, schema) or {}).items():
        tree[element] = every_field(member, below)
    return tree


class Comparison:
    """Which fields differ between two states of an object."""

    def __init__(self, old: JsonObject, new: JsonObject, schema: JsonObject) -> None:
        self.written: Tree = {}
        """Added or changed."""
        self.removed: Tree = {}
        self._compare(old, new, schema, self.written, self.removed)

    def _compare(self, old: JsonValue, new: JsonValue, schema: JsonObject, written: Tree, removed: Tree) -> None:
        before, after = parts(old, schema), parts(new, schema)
        if before is None or after is None or not (before or after):
            if old != new:
                written[SELF] = None
            return
        for element, (value, below) in after.items():
            if element not in before:
                written[element] = every_field(value, below)
            elif before[element][0] != value:
                self._member(element, before[element][0], value, below, written, removed)
        for element, (value, below) in before.items():
            if element not in after:
                removed[element] = every_field(value, below)

    def _member(
        self, element: str, old: JsonValue, new: JsonValue, schema: JsonObject, written: Tree, removed: Tree
    ) -> None:
        more: Tree = {}
        less: Tree = {}
        self._compare(old, new, schema, more, less)
        if more:
            written[element] = more
        if less:
            removed[element] = less


def _compact(value: JsonValue | JsonObject) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def names(tree: Tree) -> Iterator[str]:
    """The top path elements but the node itself."""
    return (element for element in tree if element != SELF)
