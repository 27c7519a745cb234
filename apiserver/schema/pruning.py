"""Which fields does a schema not know? They are dropped, and their paths told."""

from pydantic import JsonValue

from apiserver.document import child
from apiserver.schema.fields import joined
from hypersdk.model.base import JsonObject

_ALWAYS_KNOWN = frozenset({"apiVersion", "kind", "metadata"})


def prune(obj: JsonObject, schema: JsonObject) -> list[str]:
    """Drop unknown fields in place; the paths of what was dropped, sorted."""
    unknown: list[str] = []
    _prune_object(obj, schema, "", unknown, _ALWAYS_KNOWN)
    return sorted(unknown)


def _prune(value: JsonValue, schema: JsonObject, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        embedded = schema.get("x-kubernetes-embedded-resource") is True
        _prune_object(value, schema, path, unknown, _ALWAYS_KNOWN if embedded else frozenset())
    elif isinstance(value, list) and schema.get("x-kubernetes-preserve-unknown-fields") is not True:
        member_schema = child(schema, "items")  # where there should be no list, nothing in it is known
        for index, member in enumerate(value):
            _prune(member, member_schema, f"{path}[{index}]", unknown)


def _prune_object(value: JsonObject, schema: JsonObject, path: str, unknown: list[str], known: frozenset[str]) -> None:
    properties = child(schema, "properties")
    values = schema.get("additionalProperties")
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields") is True or values is True
    for name in [name for name in value if name not in known]:
        field_schema = properties.get(name, values)
        if isinstance(field_schema, dict):
            _prune(value[name], field_schema, joined(path, name), unknown)
        elif not keeps_unknown:
            del value[name]
            unknown.append(joined(path, name))
