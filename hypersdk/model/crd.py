"""CustomResourceDefinitions made from the models: structural schemas as apiextensions.k8s.io/v1 wants them."""

from typing import cast

from pydantic import JsonValue

from hypersdk.model import rules
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.described import DescribedSchema
from hypersdk.model.kinds import Column, Kind

_KEPT = (
    *("type", "format", "pattern", "enum", "minimum", "maximum", "default", "description"),
    *("minLength", "maxLength", "maxItems", rules.KEYWORD),
)


def crd(kind: Kind[Resource]) -> JsonObject:
    """The CustomResourceDefinition of that kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": list(kind.categories),
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind[Resource]) -> JsonObject:
    version: JsonObject = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": object_schema(kind.model)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return version


def _column(column: Column) -> JsonObject:
    return {"name": column.name, "type": column.type, "jsonPath": column.json_path}


def object_schema(model: type[Resource]) -> JsonObject:
    """The structural schema of one kind; `metadata` is the API server's business."""
    full = cast("JsonObject", model.model_json_schema(by_alias=True, schema_generator=DescribedSchema))
    schema = _structural(full, cast("JsonObject", full.get("$defs", {})))
    properties = cast("JsonObject", schema["properties"])
    properties |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    cast("JsonObject", properties["status"]).pop("default", None)
    cast("JsonObject", properties["spec"]).pop("default", None)
    return schema


def _structural(schema: JsonObject, defs: JsonObject) -> JsonObject:
    """One schema node with references inlined and `null` alternatives dropped."""
    node = _resolved(schema, defs)
    out: JsonObject = {key: node[key] for key in _KEPT if key in node and node[key] is not None}
    if "enum" in out and "type" not in out:
        out["type"] = "string"
    if node.get("type") == "integer" and "format" not in out:
        out["format"] = "int32"
    if "items" in node:
        out["items"] = _structural(cast("JsonObject", node["items"]), defs)
    if node.get("type") == "object":
        out |= _object(node, defs)
    return out


def _object(node: JsonObject, defs: JsonObject) -> JsonObject:
    """The part of an object node: its properties, its values when it is a map, or anything at all."""
    properties = node.get("properties")
    if properties is not None:
        named = cast("dict[str, JsonObject]", properties)
        out: JsonObject = {"properties": {name: _structural(child, defs) for name, child in named.items()}}
        required = [name for name in cast("list[JsonValue]", node.get("required", [])) if name != "metadata"]
        return out | ({"required": required} if required else {})
    values = node.get("additionalProperties")
    if isinstance(values, dict) and "type" in values:
        return {"additionalProperties": _structural(values, defs)}
    return {"x-kubernetes-preserve-unknown-fields": True}


def _resolved(schema: JsonObject, defs: JsonObject) -> JsonObject:
    """The node with its `$ref` followed and `X | null` read as X; what stands beside them wins."""
    beside = {key: value for key, value in schema.items() if key not in {"$ref", "anyOf", "allOf"}}
    if "$ref" in schema:
        target = cast("JsonObject", defs[str(schema["$ref"]).rsplit("/", 1)[-1]])
        return _resolved(target, defs) | beside
    for choice in cast("list[JsonObject]", schema.get("anyOf", [])):
        if choice.get("type") != "null":
            return _resolved(choice, defs) | beside
    return schema
