"""What does a strategic merge patch make of a built-in kind? Lists are merged by the keys that the schema names."""

from typing import cast

from pydantic import JsonValue

from apiserver.document import child, items, text
from hypersdk.model.base import JsonObject

_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_DIRECTIVES = ("$patch", "$retainKeys")


def strategic_merge(target: JsonObject, patch: JsonObject, schema: JsonObject) -> JsonObject:
    """The patched object."""
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    merged = dict(target)
    if "$retainKeys" in patch:
        kept = items(patch, "$retainKeys")
        merged = {name: value for name, value in merged.items() if name in kept}
    properties = child(schema, "properties")
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            field = name.removeprefix(_DELETE_FROM)
            merged[field] = [one for one in items(merged, field) if one not in items(patch, name)]
        elif not name.startswith(_ORDER) and name not in _DIRECTIVES:
            _merge_field(merged, name, value, child(properties, name) or child(schema, "additionalProperties"))
    for name in patch:
        if name.startswith(_ORDER):
            _order(merged, name.removeprefix(_ORDER), items(patch, name), properties)
    return merged


def _merge_field(merged: JsonObject, name: str, value: JsonValue, schema: JsonObject) -> None:
    if value is None:
        merged.pop(name, None)
    elif isinstance(value, dict):
        merged[name] = strategic_merge(child(merged, name), value, schema)
    elif isinstance(value, list) and text(schema, "x-kubernetes-patch-strategy") == "merge":
        merged[name] = _merge_list(items(merged, name), value, schema)
    else:
        merged[name] = value


def _merge_list(current: list[JsonValue], patch: list[JsonValue], schema: JsonObject) -> list[JsonValue]:
    key = text(schema, "x-kubernetes-patch-merge-key")
    if not key:
        return [*current, *(one for one in patch if one not in current)]
    if any(isinstance(one, dict) and one == {"$patch": "replace"} for one in patch):
        return [one for one in patch if one != {"$patch": "replace"}]
    merged = [*current]
    for one in patch:
        _merge_member(merged, one, key, child(schema, "items"))
    return merged


def _merge_member(merged: list[JsonValue], one: JsonValue, key: str, schema: JsonObject) -> None:
    if not isinstance(one, dict):
        return
    place = next(
        (i for i, old in enumerate(merged) if isinstance(old, dict) and old.get(key) == one.get(key)), len(merged)
    )
    if one.get("$patch") == "delete":
        del merged[place : place + 1]
    elif place == len(merged):
        merged.append({name: value for name, value in one.items() if name != "$patch"})
    else:
        merged[place] = strategic_merge(cast("JsonObject", merged[place]), one, schema)


def _order(merged: JsonObject, name: str, order: list[JsonValue], properties: JsonObject) -> None:
    """Bring members into the order of the patch; those that it does not name stay behind them."""
    key = text(child(properties, name), "x-kubernetes-patch-merge-key")

    def identity(one: JsonValue) -> JsonValue:
        return one.get(key) if key and isinstance(one, dict) else one

    wanted = [identity(one) for one in order]
    if name in merged:
        merged[name] = sorted(
            items(merged, name),
            key=lambda one: wanted.index(identity(one)) if identity(one) in wanted else len(wanted),
        )
