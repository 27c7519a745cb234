"""Which values does a schema fill in? Missing fields get their default; forbidden nulls are dropped first."""

from copy import deepcopy

from pydantic import JsonValue

from apiserver.document import child
from hypersdk.model.base import JsonObject


def apply_defaults(value: JsonValue, schema: JsonObject, *, keeps_nulls: bool = False) -> None:
    """Fill in defaults in place; `keeps_nulls` leaves a null that has no default to be refused (server-side apply)."""
    if isinstance(value, dict):
        _object(value, schema, keeps_nulls=keeps_nulls)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for member in value:
            apply_defaults(member, child(schema, "items"), keeps_nulls=keeps_nulls)


def _object(value: JsonObject, schema: JsonObject, *, keeps_nulls: bool) -> None:
    properties = child(schema, "properties")
    for name, field_schema in properties.items():
        if not isinstance(field_schema, dict):
            continue
        is_kept = field_schema.get("nullable") is True or (keeps_nulls and "default" not in field_schema)
        if value.get(name, ...) is None and not is_kept:
            del value[name]
        if name not in value and "default" in field_schema:
            value[name] = deepcopy(field_schema["default"])
        if name in value:
            apply_defaults(value[name], field_schema, keeps_nulls=keeps_nulls)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        _map_values(value, properties, others, keeps_nulls=keeps_nulls)


def _map_values(value: JsonObject, properties: JsonObject, schema: JsonObject, *, keeps_nulls: bool) -> None:
    for name in [name for name in value if name not in properties]:
        if value[name] is None and schema.get("nullable") is not True and not keeps_nulls:
            del value[name]
        else:
            apply_defaults(value[name], schema, keeps_nulls=keeps_nulls)
