"""What does server-side apply make of an object? The configuration merged in, what it no longer states taken out."""

import json
from datetime import datetime

from pydantic import JsonValue

from apiserver.document import child, text
from apiserver.ownership.fieldset import (
    SELF,
    Tree,
    difference,
    intersection,
    paths,
    union,
)
from apiserver.ownership.managers import (
    Manager,
    Writer,
    ownable,
    read_managers,
    without_metadata_itself,
    write_managers,
)
from apiserver.ownership.structure import Comparison, every_field, is_declared, member_schema, owned_fields, parts
from apiserver.refusal import Refusal
from hypersdk.model.base import JsonObject, rfc3339

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"
"""The manager whose applied configurations take over from those that were applied by the client."""


class _Emptied(dict[str, JsonValue]):
    """An object or list whose last member was taken back while somebody else owns it as such."""


def applied(
    live: JsonObject, config: JsonObject, schema: JsonObject, writer: Writer, force: bool, now: datetime
) -> JsonObject:
    """The new object; 409 when somebody else owns what the configuration changes."""
    managers = read_managers(live)
    if live and not managers:
        first = Writer("before-first-apply", "Update", writer.api_version)
        managers[first] = Manager(first, rfc3339(now), without_metadata_itself(every_field(ownable(live), schema)))
    stated = without_metadata_itself(owned_fields(ownable(config), schema))
    last = managers[writer].fields if writer in managers else {}
    merged = _merge(live, config, schema)
    owned_by_others: Tree = {}
    for other, manager in managers.items():
        if other != writer:
            owned_by_others = union(owned_by_others, manager.fields)
    gone = difference(difference(last, stated), owned_by_others)
    result = _as_object(_without(merged, gone, union(stated, owned_by_others), schema))
    comparison = Comparison(ownable(live), ownable(result), schema)
    allowed = _applied_before(live, schema) if writer.name == KUBECTL else {}
    _settle_conflicts(managers, writer, comparison, allowed, force=force)
    changes_something = bool(comparison.written or comparison.removed)
    mine = managers.get(writer)
    if mine is None or mine.fields != stated or changes_something:
        before = mine.time if mine is not None else ""
        managers[writer] = Manager(writer, rfc3339(now) if changes_something else before, stated)
    write_managers(result, managers)
    return _as_object(_with_nulls(result))


def _with_nulls(value: JsonValue) -> JsonValue:
    """As in Kubernetes, what was emptied is null in the end: validation tells where a schema does not take that."""
    match value:
        case _Emptied():
            return None
        case dict():
            return {name: _with_nulls(member) for name, member in value.items()}
        case list():
            return [_with_nulls(member) for member in value]
    return value


def _settle_conflicts(
    managers: dict[Writer, Manager], writer: Writer, comparison: Comparison, allowed: Tree, *, force: bool
) -> None:
    conflicts = {
        other: both
        for other, manager in managers.items()
        if other != writer and (both := difference(intersection(manager.fields, comparison.written), allowed))
    }
    if conflicts and not force:
        raise _conflict(conflicts)
    touched = union(comparison.written, comparison.removed)
    for other, manager in list(managers.items()):
        if other != writer:
            managers[other] = Manager(other, manager.time, difference(manager.fields, touched))


def _applied_before(live: JsonObject, schema: JsonObject) -> Tree:
    """What `kubectl apply` without --server-side has set and is still so: with --server-side it is no conflict."""
    try:
        last = json.loads(text(child(live, "metadata", "annotations"), LAST_APPLIED))
    except ValueError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != live.get("apiVersion"):
        return {}
    comparison = Comparison(ownable(last), ownable(live), schema)
    stated = owned_fields(ownable(last), schema)
    return difference(stated, union(comparison.written, comparison.removed))


def _conflict(conflicts: dict[Writer, Tree]) -> Refusal:
    named = sorted((_who(other), list(paths(tree))) for other, tree in conflicts.items())
    found = [(who, path) for who, their in named for path in their]
    noun = "conflict" if len(found) == 1 else "conflicts"
    if len(found) == 1:
        listed = f"conflict with {found[0][0]}: {found[0][1]}"
    else:
        groups = [f"conflicts with {who}:\n" + "\n".join(f"- {path}" for path in their) for who, their in named]
        listed = "\n".join(groups)
    causes: list[JsonValue] = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in found
    ]
    message = f"Apply failed with {len(found)} {noun}: {listed}"
    return Refusal(409, "Conflict", message, {"causes": causes})


def _who(writer: Writer) -> str:
    subresource = f' with subresource "{writer.subresource}"' if writer.subresource else ""
    using = f" using {writer.api_version}" if writer.operation == "Update" else ""
    return f'"{writer.name}"{subresource}{using}'


def _as_object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value


def _merge(live: JsonValue, config: JsonValue, schema: JsonObject) -> JsonValue:
    """The configuration laid over the live value."""
    if config is None and isinstance(live, dict):
        return live
    before, after = parts(live, schema), parts(config, schema)
    if before is None or after is None:
        return config
    if isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            merged[name] = _merge(live[name], value, member_schema(schema, name)) if name in live else value
        return merged
    return _merge_members(before, after)


def _merge_members(
    before: dict[str, tuple[JsonValue, JsonObject]], after: dict[str, tuple[JsonValue, JsonObject]]
) -> list[JsonValue]:
    """The members of a set or map list: the live ones in their order, then the new ones."""
    merged = [
        _merge(value, after[element][0], below) if element in after else value
        for element, (value, below) in before.items()
    ]
    return [*merged, *(value for element, (value, _) in after.items() if element not in before)]


def _without(value: JsonValue, gone: Tree, kept: Tree, schema: JsonObject) -> JsonValue:
    """The value without the fields of `gone`, unless something below them is kept."""
    members = parts(value, schema)
    if members is None:
        return value
    left: dict[str, JsonValue] = {}
    for element, (member, below) in members.items():
        cut, stays = gone.get(element), kept.get(element)
        if cut is None:
            left[element] = member
        elif not stays and element != "f:metadata" and is_declared(schema, element):
            continue  # nobody owns anything in it any more: defaults alone do not keep it
        elif SELF not in cut or stays:
            rest = _without(member, cut, stays or {}, below)
            if rest or not member:
                left[element] = rest
            elif SELF in (stays or {}):
                left[element] = _Emptied()
    if isinstance(value, dict):
        return {element.removeprefix("f:"): member for element, member in left.items()}
    return list(left.values())


def metadata_schema(schema: JsonObject, metadata: JsonObject) -> JsonObject:
    """The schema of a kind with that of its metadata in place."""
    return schema | {"properties": child(schema, "properties") | {"metadata": metadata}}
