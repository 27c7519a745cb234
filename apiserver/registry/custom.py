"""Which resources does a CustomResourceDefinition make?"""

from copy import deepcopy

from apiserver.document import child, items, made_child, objects, text
from apiserver.registry.resource import ResourceType, Rules, TableColumn
from apiserver.schema.rules import has_rules
from apiserver.tables.columns import PrinterColumn, custom_layout
from apiserver.tables.jsonpath import BadPath, compiled
from hypersdk.model.base import JsonObject

CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_STATUS = (("status", ("get", "patch", "update")),)
_RULES = Rules(counts_generations=True, needs_version=True, is_typed=False)


def custom_resources(definition: JsonObject) -> list[ResourceType]:
    """One resource type for each served version."""
    spec = child(definition, "spec")
    versions = objects(items(spec, "versions"))
    stored = next((text(version, "name") for version in versions if version.get("storage") is True), "")
    return [_resource(spec, version, stored) for version in versions if version.get("served") is True]


def _resource(spec: JsonObject, version: JsonObject, stored: str) -> ResourceType:
    names = child(spec, "names")
    has_status = "status" in child(version, "subresources")
    plural, group = text(names, "plural"), text(spec, "group")
    schema = _schema(version)
    return ResourceType(
        group=group,
        version=text(version, "name"),
        plural=plural,
        kind=text(names, "kind"),
        layout=custom_layout(_columns(version)),
        namespaced=text(spec, "scope") == "Namespaced",
        singular=text(names, "singular"),
        list_kind=text(names, "listKind"),
        short_names=_strings(names, "shortNames"),
        categories=_strings(names, "categories"),
        verbs=CUSTOM_VERBS,
        schema=schema,
        has_rules=has_rules(schema),
        storage_version=stored,
        has_status=has_status,
        subresources=_STATUS if has_status else (),
        selectable=tuple(text(one, "jsonPath").lstrip(".") for one in objects(items(version, "selectableFields"))),
        rules=_RULES,
    )


def _schema(version: JsonObject) -> JsonObject:
    """The schema with what the server itself looks after made explicit."""
    schema = deepcopy(child(version, "schema", "openAPIV3Schema"))
    properties = made_child(schema, "properties")
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return schema


def _strings(parent: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(value for value in items(parent, name) if isinstance(value, str))


def _columns(version: JsonObject) -> tuple[PrinterColumn, ...]:
    """The columns whose path is understood; the others would never show anything."""
    columns: list[PrinterColumn] = []
    for one in objects(items(version, "additionalPrinterColumns")):
        path = text(one, "jsonPath")
        try:
            compiled(path)
        except BadPath:
            continue
        words = text(one, "description") or f"Custom resource definition column (in JSONPath format): {path}"
        priority = one.get("priority")
        shown = TableColumn(
            text(one, "name"),
            text(one, "type"),
            text(one, "format"),
            words,
            priority if isinstance(priority, int) else 0,
        )
        columns.append(PrinterColumn(shown, path))
    return tuple(columns)
