"""Is a member of a list there twice? `x-kubernetes-list-type` says what "the same member" means."""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from apiserver.document import child, items
from apiserver.refusal import FieldError
from apiserver.schema import fields
from hypersdk.model.base import JsonObject


def repeated_members(value: list[JsonValue], schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Second occurrences in a set, or second members with the same keys in a map list."""
    match schema.get("x-kubernetes-list-type"):
        case "set":
            yield from _repeated([(member, member) for member in value], path)
        case "map":
            names = [name for name in items(schema, "x-kubernetes-list-map-keys") if isinstance(name, str)]
            yield from _repeated([(map_key(member, names, schema), member) for member in value], path)


def map_key(member: JsonValue, names: list[str], schema: JsonObject) -> JsonObject:
    """The key fields of a member of a map list, defaults filled in."""
    if not isinstance(member, dict):
        return {}
    properties = child(schema, "items", "properties")
    return {
        name: member.get(name, child(properties, name).get("default"))
        for name in names
        if name in member or "default" in child(properties, name)
    }


def is_same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same JSON; in Python alone True would be 1."""
    return one == other and fields.shown(one) == fields.shown(other)


def before(member: JsonValue, schema: JsonObject, old: Sequence[JsonValue]) -> list[JsonValue]:
    """What stood in the old list (if there is one) for that member; only members of a map list can be told apart."""
    if schema.get("x-kubernetes-list-type") != "map" or not old or not isinstance(old[0], list):
        return []
    names = [name for name in items(schema, "x-kubernetes-list-map-keys") if isinstance(name, str)]
    key = map_key(member, names, schema)
    return [one for one in old[0] if map_key(one, names, schema) == key][:1]


def _repeated(members: list[tuple[JsonValue, JsonValue]], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, (key, member) in enumerate(members):
        if isinstance(key, dict) and not isinstance(member, dict):
            detail = "must be an object for an array of list-type map"
            yield fields.invalid_value(f"{path}[{index}]", member, detail)
        elif fields.shown(key) in seen:
            yield fields.duplicate(f"{path}[{index}]", key)
        else:
            seen.add(fields.shown(key))
