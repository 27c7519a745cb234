"""What do the resources look like in OpenAPI v3? As much as kubectl's explain, apply and validation read of it."""

import hashlib
from collections.abc import Sequence

from pydantic import JsonValue

from apiserver.document import child, encode
from apiserver.parameters import parameters
from apiserver.registry.builtin import schema as builtin_schema
from apiserver.registry.catalogue import Catalogue
from apiserver.registry.resource import ResourceType
from hypersdk.model.base import JsonObject

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STANDARD = {
    "apiVersion": "The version of the schema that this object follows, as group/version.",
    "kind": "The kind of the object.",
    "metadata": "What every object has: name, namespace, labels, and so on.",
}


def paths_of(catalogue: Catalogue) -> dict[str, tuple[str, str]]:
    """The documents that there are, by their path under /openapi/v3, with their group and version."""
    return {
        (f"apis/{group}/{version}" if group else f"api/{version}"): (group, version)
        for group, versions in catalogue.groups().items()
        for version in versions
    }


def index(catalogue: Catalogue) -> JsonObject:
    """GET /openapi/v3."""
    listed: JsonObject = {}
    for path, (group, version) in paths_of(catalogue).items():
        digest = hashlib.sha256(encode(document(catalogue, group, version))).hexdigest().upper()
        listed[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": listed}


def document(catalogue: Catalogue, group: str, version: str) -> JsonObject:
    """The document of one group and version."""
    paths: JsonObject = {}
    schemas: JsonObject = {f"{_META}.ObjectMeta": builtin_schema("objectmeta"), f"{_META}.ListMeta": _LIST_META}
    for resource in catalogue.resources(group, version):
        paths |= _paths(resource)
        schemas[_schema_name(resource)] = _schema(resource)
        if resource.list_kind:
            schemas[_schema_name(resource, list_=True)] = _list_schema(resource)
    return {
        "openapi": "3.0.0",
        "info": {"title": "HyperSDK embedded API", "version": "v1.37.2"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


_LIST_META: JsonObject = {
    "type": "object",
    "description": "What every list has.",
    "properties": {
        "continue": {"type": "string"},
        "remainingItemCount": {"type": "integer", "format": "int64"},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
    },
}


def _schema_name(resource: ResourceType, *, list_: bool = False) -> str:
    reversed_group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{reversed_group}.{resource.version}.{resource.list_kind if list_ else resource.kind}"


def _gvk(resource: ResourceType, kind: str = "") -> JsonObject:
    return {"group": resource.group, "version": resource.version, "kind": kind or resource.kind}


def _schema(resource: ResourceType) -> JsonObject:
    properties = child(resource.schema, "properties") | {
        "apiVersion": {"type": "string", "description": _STANDARD["apiVersion"]},
        "kind": {"type": "string", "description": _STANDARD["kind"]},
        "metadata": {
            "description": _STANDARD["metadata"],
            "allOf": [{"$ref": f"#/components/schemas/{_META}.ObjectMeta"}],
        },
    }
    return resource.schema | {"properties": properties, "x-kubernetes-group-version-kind": [_gvk(resource)]}


def _list_schema(resource: ResourceType) -> JsonObject:
    member: JsonObject = {"$ref": f"#/components/schemas/{_schema_name(resource)}"}
    return {
        "type": "object",
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": _STANDARD["apiVersion"]},
            "items": {"type": "array", "items": member},
            "kind": {"type": "string", "description": _STANDARD["kind"]},
            "metadata": {"allOf": [{"$ref": f"#/components/schemas/{_META}.ListMeta"}]},
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, resource.list_kind)],
    }


def _paths(resource: ResourceType) -> JsonObject:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{root}{scope}/{resource.plural}"
    paths: JsonObject = {collection: _collection(resource)}
    if "get" in resource.verbs:
        paths[f"{collection}/{{name}}"] = _item(resource, resource.verbs)
    if resource.namespaced and "list" in resource.verbs:
        everywhere = _operation(resource, "list", resource.list_kind)
        paths[f"{root}/{resource.plural}"] = {"get": everywhere}
    for name, verbs in resource.subresources:
        paths[f"{collection}/{{name}}/{name}"] = _item(resource, verbs)
    return paths


def _collection(resource: ResourceType) -> JsonObject:
    operations: JsonObject = {"post": _operation(resource, "post", resource.kind)}
    if "list" in resource.verbs:
        operations["get"] = _operation(resource, "list", resource.list_kind)
    if "deletecollection" in resource.verbs:
        operations["delete"] = _operation(resource, "deletecollection", resource.list_kind)
    return operations | _path_parameters(resource, has_name=False)


def _item(resource: ResourceType, verbs: Sequence[str]) -> JsonObject:
    methods = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
    operations: JsonObject = {
        method: _operation(resource, method, resource.kind) for verb, method in methods.items() if verb in verbs
    }
    return operations | _path_parameters(resource, has_name=True)


def _path_parameters(resource: ResourceType, *, has_name: bool) -> JsonObject:
    names = [*(["name"] if has_name else []), *(["namespace"] if resource.namespaced else [])]
    listed: list[JsonValue] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
        for name in names
    ]
    return {"parameters": listed}


def _operation(resource: ResourceType, action: str, answer: str) -> JsonObject:
    name = _schema_name(resource, list_=answer == resource.list_kind)
    content: JsonObject = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    operation: JsonObject = {
        "description": f"{action} {resource.kind}",
        "operationId": f"{action}{resource.kind}",
        "parameters": parameters(action),
        "responses": {"200": {"description": "OK", "content": {"application/json": content}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
    }
    if action in {"post", "put", "patch"}:
        operation["requestBody"] = {"required": True, "content": _bodies(resource, action, content)}
    return operation


def _bodies(resource: ResourceType, action: str, content: JsonObject) -> JsonObject:
    if action != "patch":
        return {"application/json": content}
    strategic = ("application/strategic-merge-patch+json",) if resource.rules.is_typed else ()
    return {media: {"schema": {"type": "object"}} for media in (*_PATCH_TYPES, *strategic)}


def swagger(catalogue: Catalogue) -> JsonObject:
    """GET /openapi/v2: the same paths and definitions in the older form, all groups in one document."""
    paths: JsonObject = {}
    definitions: JsonObject = {}
    for group, version in paths_of(catalogue).values():
        one = document(catalogue, group, version)
        paths |= child(one, "paths")
        definitions |= child(one, "components", "schemas")
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.37.2"},
        "paths": _older_references(paths),
        "definitions": _older_references(definitions),
    }


def _older_references(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            name: member.replace("#/components/schemas/", "#/definitions/")
            if name == "$ref" and isinstance(member, str)
            else _older_references(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_older_references(member) for member in value]
    return value
